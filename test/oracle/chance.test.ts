import t from 'tap'
import { Chance } from '../../src/oracle/chance.js'
import { generate, KINDS } from '../../src/oracle/random-scenario.js'
import { recordingText, scenarioOf } from '../../src/oracle/scenario.js'

t.test('a seed fixes all of a scenario, and another seed is another one', async (t) => {
  for (const kind of KINDS) {
    const texts = new Set<string>()
    for (let seed = 1; seed <= 40; seed++) {
      const text = JSON.stringify(generate(kind, seed))
      if (text !== JSON.stringify(generate(kind, seed))) t.fail(`${kind} ${seed} twice`)
      texts.add(text.replace(/seed":\d+|seed \d+|"name":"[^"]+"/g, ''))
    }
    t.equal(texts.size, 40, kind)
  }
})

t.test('chance is even', async (t) => {
  const chance = new Chance('even')
  const counts = new Array<number>(10).fill(0)
  for (let i = 0; i < 100_000; i++) counts[chance.below(10)]++
  t.ok(Math.min(...counts) > 9600 && Math.max(...counts) < 10_400, counts.join())
  t.same(chance.some([1, 2, 3], 9).sort(), [1, 2, 3])
})

t.test('the scenarios have everything in them that they are to try', async (t) => {
  const text = KINDS.flatMap((kind) =>
    Array.from({ length: 100 }, (_, seed) => JSON.stringify(generate(kind, seed))),
  ).join('\n')
  const words = [
    ...'rr wrr lc wlc sed nq dh sh mh fo ovf lblc lblcr'.split(' ').map((name) => `"-s","${name}"`),
    ...['"-p"', '"-M"', '"-x"', '"-y"', '"-o"', 'sh-port', 'mh-fallback', '"-d"', '"-e"', '"-D"'],
    ...['conn_reuse_mode', 'expire_nodest_conn', 'sloppy_tcp', 'drop_packet', 'secure_tcp'],
    ...['schedule_icmp', '"frag"', '"ext"', '"inner"', '"marks"', '"INIT"', '"--set"', 'stats'],
  ]
  for (const word of words) t.ok(text.includes(word), word)
})

t.test('a recording has its scenario, and a step a line', async (t) => {
  const recording = {
    name: 'one',
    about: 'a',
    vip: '192.168.1.100',
    setup: [['-C']],
    setup_out: [{ rc: 0, stdout: '' }],
    steps: [{ run: ['-C'], rc: 0, stdout: '', at_ms: 4 }],
  }
  t.same(JSON.parse(recordingText(recording)), recording)
  t.match(recordingText(recording), /\n {4}\{"run":\["-C"\],"rc":0,"stdout":"","at_ms":4\}\n/)
  const { setup_out: _, ...rest } = recording
  t.same(scenarioOf(recording), { ...rest, steps: [{ run: ['-C'] }] })
})
