/** One line of source, lit if it ran. */

export interface LitLineProps {
  readonly number: number
  readonly text: string
  readonly isLit: boolean
  /** The call returned here. */
  readonly isEnd: boolean
}

/** A question and what follows if its answer is yes, on one line. */
const GUARD = /^(\s*(?:\} else )?if \(.*\) )((?:return|break|continue)\b.*)$/

export function LitLine({ number, text, isLit, isEnd }: LitLineProps) {
  const isComment = /^\s*(\/\/|\/?\*)/.test(text)
  const names = ['source']
  if (isComment) names.push('comment')
  else if (isLit) names.push('lit')
  if (isEnd) names.push('end')
  const guard = isLit && !isEnd ? GUARD.exec(text) : null
  return (
    <div class={names.join(' ')}>
      <span class="at" aria-hidden="true">
        {String(number).padStart(4)}
      </span>
      {guard === null ? (
        text || ' '
      ) : (
        <>
          {guard[1]}
          <span class="idle">{guard[2]}</span>
        </>
      )}
    </div>
  )
}
