/** A scene on a terminal: what is asked, what was run, what was claimed and whether it holds. */
import { hexPair } from './hex-pair.js'
import type { Paint } from './paint.js'
import type { Played, Scene, SceneStep } from './scene.js'

const WIDTH = 80

export function sceneOpening(paint: Paint, { name, title, question }: Scene): string {
  return `\n${paint.bold(`${name}: ${title}`)}\n\n${wrapped(question)}\n\n`
}

export function sceneStep(paint: Paint, step: SceneStep): string {
  switch (step.kind) {
    case 'heading':
      return `\n${paint.bold(`── ${step.text} ${'─'.repeat(Math.max(0, WIDTH - step.text.length - 4))}`)}\n`
    case 'note':
      return `${wrapped(step.text)}\n`
    case 'command': {
      const output = step.output.trimEnd().replace(/^(?=.)/gm, '      ')
      // As a shell asks for the rest of a command that has not ended.
      const more = `\n   ${' '.repeat(step.host.length + 3)}${paint.dim('>')} `
      const command = step.command.replaceAll('\n', more)
      const line = `   ${paint.dim(`[${step.host}] #`)} ${command}\n`
      return output === '' ? line : `${line}${step.status === 0 ? output : paint.red(output)}\n`
    }
    case 'frames': {
      const [before, after] = [Buffer.from(step.before, 'hex'), Buffer.from(step.after, 'hex')]
      return `${hexPair(paint, before, after)}\n`
    }
    case 'claim':
      return `   ${step.holds ? paint.green('✓') : paint.red('✗')} ${wrapped(step.text, 5).trimStart()}\n`
  }
}

export function sceneEnding(paint: Paint, { remember, failures }: Played): string {
  const end =
    failures.length === 0
      ? `${paint.bold('Remember')}\n${wrapped(remember)}`
      : failures.map((failure) => paint.red(`failed: ${failure}`)).join('\n')
  return `\n${end}\n`
}

/** At the width of the rest, so many blanks in. */
function wrapped(text: string, blanks = 3): string {
  const line = new RegExp(`(.{1,${WIDTH - blanks}})(?:\\s+|$)`, 'g')
  return text.replace(line, `${' '.repeat(blanks)}$1\n`).trimEnd()
}
