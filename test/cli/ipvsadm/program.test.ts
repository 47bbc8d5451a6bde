/** The programs as processes: their names, their socket, their status. */
import { spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import t from 'tap'
import { takeControl } from '../../../src/cli/ipvsadm/program.js'
import { cannotBecomeNobody, NOBODY } from '../../other-user.js'
import { ModelDirector } from './model-director.js'

const PROGRAMS = join(import.meta.dirname, '../../../src/cli')
const folder = mkdtempSync(join(tmpdir(), 'uipvsadm-'))
const socket = join(folder, 'control.sock')
const director = new ModelDirector()

for (const name of ['uipvsadm', 'uipvsadm-save', 'uipvsadm-restore']) {
  chmodSync(join(PROGRAMS, `${name}.js`), 0o755)
  symlinkSync(join(PROGRAMS, `${name}.js`), join(folder, name))
  symlinkSync(join(PROGRAMS, `${name}.js`), join(folder, name.slice(1)))
}

const server = createServer(async (request, response) => {
  let body = ''
  for await (const piece of request) body += piece
  if (request.url?.split('?')[0] === '/v1/table')
    response.end(JSON.stringify(await director.table()))
  else if (request.url === '/v1/connections') response.end('{"connections":[]}')
  else {
    const { rules, atomic } = JSON.parse(body)
    await director.rules(rules, { atomic }).then(
      () => response.end('{}'),
      (error) => {
        const { code, subject, message, index, applied } = error
        response.writeHead(409)
        response.end(JSON.stringify({ error: { code, subject, message, index, applied } }))
      },
    )
  }
})

interface Given {
  readonly control?: string
  readonly input?: string
  readonly uid?: number
}

function call(program: string, args: readonly string[], given: Given = {}) {
  const env = { PATH: `${folder}:${process.env.PATH}`, UIPVS_CONTROL: given.control ?? socket }
  const child = spawn(program, args, { env, ...(given.uid ? { uid: given.uid } : {}) })
  const said = { status: null as number | null, stdout: '', stderr: '' }
  child.stdout.on('data', (piece) => {
    said.stdout += piece
  })
  child.stderr.on('data', (piece) => {
    said.stderr += piece
  })
  child.stdin.on('error', () => {})
  child.stdin.end(given.input ?? '')
  return new Promise<typeof said>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (status) => resolve({ ...said, status }))
  })
}

t.before(() => new Promise<void>((resolve) => server.listen(socket, resolve)))
t.teardown(() => {
  server.close()
  rmSync(folder, { recursive: true })
})

const TABLE =
  'IP Virtual Server version 1.2.1 (size=4096)\n' +
  'Prot LocalAddress:Port Scheduler Flags\n' +
  '  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n'

t.test('restored, refused, saved and listed', async (t) => {
  const rules = '-A -t 192.168.1.110:22 -s rr\n-a -t 192.168.1.110:22 -r 192.168.1.2:22 -g -w 1\n'
  const done = { status: 0, stdout: '', stderr: '' }
  t.same(await call('uipvsadm-restore', [], { input: `# a comment\n${rules}` }), done)
  t.same(await call('uipvsadm', ['-A', '-t', '192.168.1.110:22']), {
    status: 255,
    stdout: '',
    stderr: 'Service already exists\n',
  })
  t.same(await call('uipvsadm-save', ['-n']), { ...done, stdout: rules })
  t.same(await call('uipvsadm', ['--control', socket, '-Ln'], { control: '/nonexistent' }), {
    ...done,
    stdout:
      `${TABLE}TCP  192.168.1.110:22 rr\n` +
      '  -> 192.168.1.2:22               Route   1      0          0         \n',
  })
})

t.test(
  'by our name a bad file changes nothing, by that of ipvsadm what stands before',
  async (t) => {
    const input = '-C\n-A -t 192.168.1.110:81 -s rr\n-A -t 192.168.1.110:81 -s rr\n'
    const saved = (await call('uipvsadm-save', ['-n'])).stdout
    t.not(saved, '')
    const told = 'Service already exists\n'
    const where = 'line 3: -A -t 192.168.1.110:81 -s rr'
    t.same(await call('uipvsadm', ['-R'], { input }), {
      status: 255,
      stdout: '',
      stderr: `${told}uipvsadm: nothing was changed (${where}); correct it, and run all again\n`,
    })
    t.match(await call('uipvsadm-restore', [], { input }), { status: 255 })
    t.equal((await call('uipvsadm-save', ['-n'])).stdout, saved)
    t.same(await call('ipvsadm', ['-R'], { input }), { status: 255, stdout: '', stderr: told })
    t.equal((await call('uipvsadm-save', ['-n'])).stdout, '-A -t 192.168.1.110:81 -s rr\n')
  },
)

t.test('a program says its name as it was called', async (t) => {
  const tryHelp = (name: string) => `Try \`${name} -h' or '${name} --help' for more information.\n`
  t.equal((await call('ipvsadm', ['--bogus'])).stderr, tryHelp('ipvsadm'))
  t.equal((await call('uipvsadm', ['--bogus'])).stderr, tryHelp('uipvsadm'))
  const link = join(folder, 'other')
  symlinkSync(join(folder, 'uipvsadm'), link)
  const elsewhere = mkdtempSync(join(tmpdir(), 'uipvsadm-'))
  t.teardown(() => rmSync(elsewhere, { recursive: true }))
  symlinkSync(link, join(elsewhere, 'ipvsadm'))
  const path = join(elsewhere, 'ipvsadm')
  t.equal((await call(path, ['--bogus'])).stderr, tryHelp(path))
  const script = join(PROGRAMS, 'uipvsadm.js')
  t.equal((await call(process.execPath, [script, '--bogus'])).stderr, tryHelp('uipvsadm'))
  t.match((await call('ipvsadm-save', ['-h'])).stderr, /^ipvsadm-save: Script to save /)
})

t.test('without a director, only the help is answered', async (t) => {
  const control = join(folder, 'nothing.sock')
  t.same(await call('uipvsadm', ['--bogus'], { control }), {
    status: 2,
    stdout: '',
    stderr: `uipvsadm: no director answers at ${control} (ENOENT); start one with: uipvs run -i eth0\n`,
  })
  t.match(await call('uipvsadm', ['-v'], { control }), { status: 0, stdout: /^ipvsadm v1\.31 / })
})

/** Why nobody else can be played here, or false if one can. */
function cannotBeNobody(): string | false {
  const why = cannotBecomeNobody()
  if (why !== false) return why
  let path = PROGRAMS
  while (path !== '/') {
    if ((statSync(path).mode & 0o001) === 0) return `nobody may not enter ${path}`
    path = dirname(path)
  }
  return false
}

t.test('somebody who may not open the socket', { skip: cannotBeNobody() }, async (t) => {
  chmodSync(folder, 0o755)
  chmodSync(socket, 0o600)
  const answer = await call(process.execPath, [join(PROGRAMS, 'uipvsadm.js'), '-h'], {
    uid: NOBODY,
  })
  t.same(answer, {
    status: 2,
    stdout: '',
    stderr:
      "Can't initialize ipvs: Permission denied (you must be root)\n" +
      'Are you sure that IP Virtual Server is built in the kernel or as module?\n',
  })
})

t.test('--control stands first, with or without an equals sign', async (t) => {
  t.same(takeControl(['--control', '/a', '-L']), { path: '/a', args: ['-L'] })
  t.same(takeControl(['--control=/a']), { path: '/a', args: [] })
  t.same(takeControl(['-L', '--control', '/a']).args, ['-L', '--control', '/a'])
  t.match(await call('uipvsadm', ['--control']), {
    status: 2,
    stderr: /^uipvsadm: --control needs/,
  })
})
