/** What this machine is able to do: capabilities, programs, packages, limits. */
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { type Finding, note, ok, problem } from './finding.js'

/** Bits of linux/capability.h. */
const CAPABILITIES = [
  { name: 'CAP_NET_RAW', bit: 13n, why: 'packet sockets, through which all frames come, need it' },
  { name: 'CAP_NET_ADMIN', bit: 12n, why: 'the guard in front of the kernel is set up with it' },
] as const

/** Below this the ring of a packet socket may not fit (RLIMIT_MEMLOCK counts AF_XDP's memory). */
const MEMLOCK_BYTES_MIN = 64 << 20
const OPEN_FILES_MIN = 1024

export function checkCapabilities(status = readFileSync('/proc/self/status', 'utf8')): Finding[] {
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`)
  return CAPABILITIES.map(({ name, bit, why }) => {
    const id = name.toLowerCase().replaceAll('_', '-')
    if (((effective >> bit) & 1n) === 1n) return ok(id, `we have ${name}`, why)
    // Not setcap(8): nft, which the guard calls, would not get what only Node's file has.
    const fix = 'sudo uipvs …   # or AmbientCapabilities=CAP_NET_RAW CAP_NET_ADMIN in its unit'
    return problem(id, `we do not have ${name}`, why, fix)
  })
}

export function findProgram(name: string, path = process.env.PATH ?? ''): string | null {
  const directories = [...path.split(':'), '/usr/sbin', '/sbin']
  const found = directories.filter(Boolean).find((directory) => existsSync(join(directory, name)))
  return found === undefined ? null : join(found, name)
}

export function checkPrograms(): Finding[] {
  const programs = [
    {
      name: 'nft',
      pkg: 'nftables',
      needed: true,
      why: 'it guards the kernel that holds the VIP too',
    },
    { name: 'ip', pkg: 'iproute2', needed: true, why: 'addresses and routes are read with it' },
    {
      name: 'ethtool',
      pkg: 'ethtool',
      needed: false,
      why: 'some of the lines that mend something use it',
    },
    { name: 'tcpdump', pkg: 'tcpdump', needed: false, why: 'a second pair of eyes' },
  ]
  return programs.map(({ name, pkg, needed, why }) => {
    const id = `program-${name}`
    const path = findProgram(name)
    if (path !== null) return ok(id, path, why)
    const fix = `apt-get install ${pkg}`
    return needed ? problem(id, `${name} is missing`, why, fix) : note(id, `no ${name}`, why, fix)
  })
}

/** Packages with parts in C++, which npm leaves out where they can't be compiled. */
export function checkPackages(): Finding[] {
  const packages = [
    { name: 'cap', why: 'the engine libpcap needs it; af_xdp and af_packet do not' },
    { name: 'raw-socket', why: "the lab's hand-made packets and echo probes need it" },
  ]
  const load = createRequire(import.meta.url)
  return packages.map(({ name, why }) => {
    const id = `package-${name}`
    try {
      load(name)
      return ok(id, `${name} loads`, why)
    } catch {
      const fix = `apt-get install build-essential libpcap-dev && npm install ${name}`
      return note(id, `${name} is not here or was not compiled`, why, fix)
    }
  })
}

export function checkLimits(limits = readFileSync('/proc/self/limits', 'utf8')): Finding[] {
  const soft = (label: string) => {
    const value = new RegExp(`^${label}\\s+(\\S+)`, 'm').exec(limits)?.[1] ?? '0'
    return value === 'unlimited' ? Number.POSITIVE_INFINITY : Number(value)
  }
  const memlock = soft('Max locked memory')
  const files = soft('Max open files')
  const lockWhy = 'AF_XDP locks the memory of its frames'
  return [
    memlock >= MEMLOCK_BYTES_MIN
      ? ok('memlock', `${size(memlock)} may be locked`, lockWhy)
      : note('memlock', `only ${size(memlock)} may be locked`, lockWhy, 'ulimit -l unlimited'),
    files >= OPEN_FILES_MIN
      ? ok('open-files', `${files} files may be open`, 'connections to the control socket')
      : note('open-files', `only ${files}`, 'connections to the control socket', 'ulimit -n 65536'),
  ]
}

function size(bytes: number): string {
  return Number.isFinite(bytes) ? `${Math.round(bytes / 1024)} KiB` : 'any amount of memory'
}
