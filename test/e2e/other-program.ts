/**
 * Run by a test inside a namespace: `node other-program.js INTERFACE`. Somebody else's XDP program
 * on an interface, which passes everything, until it is killed.
 */
import { attachXdp, XDP_FLAGS_DRV_MODE, XDP_PASS, XdpProgram } from '../../src/native/bpf.js'
import { BpfAssembler } from '../../src/native/bpf-assembler.js'
import { readInterface } from '../../src/native/interfaces.js'

const assembler = new BpfAssembler()
assembler.exitWith(XDP_PASS)
const program = new XdpProgram('other', assembler.assemble())
const index = readInterface(process.argv[2] ?? '').index
if (attachXdp(program, index, XDP_FLAGS_DRV_MODE) < 0) throw new Error('it can not be attached')
console.log('attached')
setInterval(() => {}, 60_000)
