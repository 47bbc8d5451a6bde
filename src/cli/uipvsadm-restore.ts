#!/usr/bin/env node
/** `uipvsadm-restore`: replaces the table with the commands on standard input. */
import { start } from './ipvsadm/program.js'
import { runRestore } from './ipvsadm/wrappers.js'

await start(runRestore)
