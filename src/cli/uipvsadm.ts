#!/usr/bin/env node
/** `uipvsadm`: ipvsadm 1.31, talking to a uipvs director instead of the kernel. */
import { start } from './ipvsadm/program.js'
import { run } from './ipvsadm/run.js'

await start(run)
