#!/usr/bin/env node
/** `uipvsadm-save [-n]`: the table as commands on standard output. */
import { start } from './ipvsadm/program.js'
import { runSave } from './ipvsadm/wrappers.js'

await start(runSave)
