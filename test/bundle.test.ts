/**
 * The packet engine runs as one file in which private fields are ordinary ones
 * (scripts/bundle.mjs). It must decide as the many files do.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import t from 'tap'
import type { play as Play } from '../src/conform/play.js'

type Bundler = {
  plainFields(text: string): string
  bundle(entry: string, outfile: string): Promise<void>
}
const script: string = resolve('scripts/bundle.mjs')
const { plainFields, bundle } = (await import(script)) as Bundler

t.test('private fields become ordinary ones, of their own class each', async (t) => {
  const text = `
class A { #x; #y = 1; #m() { return this.#x } get y() { return this.#y + this.#m() }
  constructor(x) { this.#x = x } }
class B extends A { #x = 5; get z() { return this.#x * this.y } }
result = new B(7).z`
  const plain = plainFields(text)
  t.notMatch(plain, /#[xy]/)
  t.match(plain, /#m/, 'methods stay: they are no fields')
  const run = (body: string) => new Function(`let result; ${body}; return result`)()
  t.equal(run(text), 40)
  t.equal(run(plain), 40)
})

t.test('a field that is set by the constructor is set once', async (t) => {
  t.notMatch(plainFields('class A { #x; constructor() { this.#x = 1 } }'), /x\$A;/)
})

t.test('the recordings of Linux, played by the bundled director', async (t) => {
  const folder = mkdtempSync(join('build', 'bundled-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = resolve(folder, 'play.cjs')
  await bundle(resolve('build/src/conform/play.js'), file)
  const { play } = createRequire(file)(file) as { play: typeof Play }
  const recordings = 'test/fixtures/decisions'
  const names = readdirSync(recordings).filter((name) => name.endsWith('.json'))
  for (const name of names) {
    const differences = await play(JSON.parse(readFileSync(join(recordings, name), 'utf8')))
    t.same(differences, [], name)
  }
  t.equal(names.length, 128)
})
