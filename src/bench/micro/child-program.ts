/**
 * One part of a measurement, in a process of its own: prints what it found as JSON.
 *
 *     node child-program.js NAME PART '{"frames":…}'
 */
import { allowInlining } from '../../daemon/inlining.js'
import { MEASUREMENTS } from './index.js'
import type { Options } from './measurement.js'

allowInlining()
const [, , name, part, options] = process.argv
const measurement = MEASUREMENTS.find((each) => each.name === name)
if (measurement === undefined) throw new Error(`there is no measurement ${name}`)
Promise.resolve(measurement.child(JSON.parse(options) as Options, part)).then((found) =>
  console.log(JSON.stringify(found)),
)
