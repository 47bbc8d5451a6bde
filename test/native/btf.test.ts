/** Functions by name: in the kernel's own description, and in one made by hand. */
import { existsSync } from 'node:fs'
import t from 'tap'
import {
  BTF_KIND_ARRAY,
  BTF_KIND_ENUM,
  BTF_KIND_FUNC,
  BTF_KIND_FUNC_PROTO,
  BTF_KIND_INT,
  BTF_KIND_STRUCT,
  BTF_MAGIC,
  functionIn,
  kernelFunction,
} from '../../src/native/btf.js'

/** Types as [name, kind, members, words behind it]. */
function btf(types: readonly [name: string, kind: number, members: number, words: number][]) {
  let names = '\0'
  const words: number[] = []
  for (const [name, kind, members, more] of types) {
    words.push(
      names.length,
      ((kind << 24) | members) >>> 0,
      0,
      ...Array<number>(more).fill(0xffffffff),
    )
    names += `${name}\0`
  }
  const head = Buffer.alloc(24)
  head.writeUInt16LE(BTF_MAGIC, 0)
  for (const [at, value] of [
    [4, 24],
    [8, 0],
    [12, words.length * 4],
    [16, words.length * 4],
    [20, names.length],
  ]) {
    head.writeUInt32LE(value, at)
  }
  const body = Buffer.from(Uint32Array.from(words).buffer)
  return Buffer.concat([head, body, Buffer.from(names)])
}

t.test('the number of a function is its place among the types', async (t) => {
  const made = btf([
    ['int', BTF_KIND_INT, 0, 1],
    ['pair', BTF_KIND_STRUCT, 2, 6],
    ['', BTF_KIND_ARRAY, 0, 3],
    ['colour', BTF_KIND_ENUM, 3, 6],
    ['', BTF_KIND_FUNC_PROTO, 2, 4],
    ['run', BTF_KIND_FUNC, 0, 0],
    ['runner', BTF_KIND_FUNC, 1, 0],
  ])
  t.equal(functionIn(made, 'run'), 6)
  t.equal(functionIn(made, 'runner'), 7)
  t.equal(functionIn(made, 'pair'), undefined, 'no function')
  t.equal(functionIn(made, 'walk'), undefined)
  t.equal(functionIn(Buffer.alloc(100), 'run'), undefined, 'no BTF')
  t.equal(functionIn(Buffer.alloc(3), 'run'), undefined)
})

const skip = existsSync('/sys/kernel/btf/vmlinux')
  ? false
  : 'this kernel does not describe its types'
t.test('the running kernel has what it must have', { skip }, async (t) => {
  t.type(kernelFunction('schedule'), 'number')
  t.equal(kernelFunction('no_kernel_has_this_function'), undefined)
})
