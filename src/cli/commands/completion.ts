/** `uipvs completion SHELL`: prints the script that completes uipvs and uipvsadm in that shell. */
import { Argument, type Command } from 'commander'
import { bashCompletion } from '../completion/bash.js'
import { fishCompletion } from '../completion/fish.js'
import { type CommandModel, commandModel } from '../completion/model.js'
import { UIPVSADM } from '../completion/uipvsadm.js'
import { zshCompletion } from '../completion/zsh.js'
import { createProgram } from '../program.js'

const SCRIPTS = new Map<string, (programs: readonly CommandModel[]) => string>([
  ['bash', bashCompletion],
  ['zsh', zshCompletion],
  ['fish', fishCompletion],
])

const EXAMPLES = `
Examples:
  source <(uipvs completion bash)        in ~/.bashrc, or
  uipvs completion bash > /etc/bash_completion.d/uipvs
  uipvs completion zsh > "\${fpath[1]}/_uipvs"
  uipvs completion fish > ~/.config/fish/completions/uipvs.fish`

/** The script for one of bash, zsh and fish. */
export async function completionScript(shell: string): Promise<string> {
  const program = await createProgram(() => true)
  const script = SCRIPTS.get(shell)
  if (script === undefined) throw new RangeError(`no completion for ${shell}`)
  return script([commandModel(program), UIPVSADM])
}

export function register(program: Command): void {
  program
    .command('completion')
    .description('Prints the script that makes a shell complete uipvs and uipvsadm.')
    .addArgument(new Argument('<shell>', 'which shell').choices([...SCRIPTS.keys()]))
    .addHelpText('after', EXAMPLES)
    .action(async (shell: string) => {
      process.stdout.write(await completionScript(shell))
    })
}
