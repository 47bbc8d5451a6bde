/** A scene on a terminal: what is asked, what was run, what was claimed and whether it holds. */
import { hexPair } from './hex-pair.js'
import type { Paint } from './paint.js'
import type { Played, Scene, SceneStep } from './scene.js'

const WIDTH = 96

export function sceneOpening(paint: Paint, { name, title, question }: Scene): string {
  return `\n${paint.bold(`${name}: ${title}`)}\n\n${wrapped(question)}\n`
}

export function sceneStep(paint: Paint, step: SceneStep): string {
  switch (step.kind) {
    case 'heading':
      return `\n${paint.bold(`── ${step.text} ${'─'.repeat(Math.max(0, WIDTH - step.text.length - 4))}`)}\n`
    case 'note':
      return `   ${step.text}\n`
    case 'command': {
      const output = step.output.trimEnd().replace(/^(?=.)/gm, '      ')
      const line = `   ${paint.dim(`[${step.host}] #`)} ${step.command}\n`
      return output === '' ? line : `${line}${step.status === 0 ? output : paint.red(output)}\n`
    }
    case 'frames': {
      const [before, after] = [Buffer.from(step.before, 'hex'), Buffer.from(step.after, 'hex')]
      return `${hexPair(paint, before, after)}\n`
    }
    case 'claim':
      return `   ${step.holds ? paint.green('✓') : paint.red('✗')} ${step.text}\n`
  }
}

export function sceneEnding(paint: Paint, { remember, failures }: Played): string {
  const end =
    failures.length === 0
      ? `${paint.bold('Remember')}\n${wrapped(remember)}`
      : failures.map((failure) => paint.red(`failed: ${failure}`)).join('\n')
  return `\n${end}\n`
}

/** At the width of the rest, three blanks in. */
function wrapped(text: string): string {
  return text.replace(/(.{1,90})(?:\s+|$)/g, '   $1\n').trimEnd()
}
