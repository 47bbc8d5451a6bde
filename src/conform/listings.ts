/** How ipvsadm is asked for each listing of a recording. */
import type { Arguments, Listing } from './recording.js'

export const LISTINGS: Readonly<Record<Listing, Arguments>> = {
  Ln: ['-Ln'],
  Lnc: ['-Lnc'],
  stats: ['-Ln', '--stats', '--exact'],
  thresholds: ['-Ln', '--thresholds'],
  persistent: ['-Ln', '--persistent-conn'],
  timeout: ['-Ln', '--timeout'],
  Sn: ['-Sn'],
}
