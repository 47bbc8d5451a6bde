/** `--linux VERSION`: which kernel's IPVS the director follows where their decisions differ. */
import { Option } from 'commander'
import { DEFAULT_KERNEL, FOLLOWED_KERNELS } from '../balance/thresholds.js'

export function linuxOption(): Option {
  return new Option('--linux <version>', 'the kernel to follow, where they differ')
    .choices(FOLLOWED_KERNELS)
    .default(DEFAULT_KERNEL)
}

/** The same for commands that otherwise follow what the running director follows. */
export function linuxOptionWithoutDefault(): Option {
  const text = "the kernel to follow, where they differ (default: the running director's, or"
  return new Option('--linux <version>', `${text} ${DEFAULT_KERNEL})`).choices(FOLLOWED_KERNELS)
}
