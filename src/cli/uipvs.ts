#!/usr/bin/env node
/** The command `uipvs`. */
import { endQuietlyWithoutReader } from './failure.js'
import { run } from './program.js'

endQuietlyWithoutReader()
const status = await run(process.argv.slice(2))
// A command that failed half-way may have left something open that would keep us from ending.
if (status !== 0) process.exit(status)
