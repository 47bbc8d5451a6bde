/** Who could be chosen, who is, and why. */
import type { ExplainedChoice, ExplainedClue } from '../../control/choice.js'
import { Scroll } from './scroll.jsx'
import type { Texts } from './texts/index.js'

export function ChoiceView({ texts, choice }: { texts: Texts; choice: ExplainedChoice }) {
  const why =
    choice.by === 'template'
      ? texts.byTemplate
      : choice.by === null
        ? texts.nobodyEligible
        : (texts.bySchedulers[choice.scheduler] ?? '')
  return (
    <>
      <Scroll label={texts.stepScheduler}>
        <table>
          <thead>
            <tr>
              <th scope="col">{texts.realserver}</th>
              <th scope="col">{texts.weight}</th>
              <th scope="col">{texts.active}</th>
              <th scope="col">{texts.inactive}</th>
              <th scope="col">{texts.score}</th>
              <td />
            </tr>
          </thead>
          <tbody>
            {choice.candidates.map((each) => (
              <tr
                key={each.realserver}
                class={each.isChosen ? 'chosen' : each.eligible ? '' : 'out'}
              >
                <th scope="row">{each.realserver}</th>
                <td>{each.weight}</td>
                <td>{each.active}</td>
                <td>{each.inactive}</td>
                <td>{each.score === null ? '–' : Number(each.score.toPrecision(4))}</td>
                <td>
                  {each.isChosen ? `◀ ${texts.chosen}` : each.eligible ? '' : texts.notEligible}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      {choice.omitted > 0 && (
        <p class="hint">
          + {choice.omitted} {texts.omitted}
        </p>
      )}
      {choice.clues.length > 0 && (
        <ul class="clues">
          {choice.clues.map((clue) => (
            <li key={clue.name}>
              {texts.clues[clue.name]}: <b>{clueText(texts, clue)}</b>
            </li>
          ))}
        </ul>
      )}
      <p>
        <strong>{choice.chosen ?? texts.nobody}</strong>: {why}
      </p>
    </>
  )
}

function clueText(texts: Texts, { number, of, realservers }: ExplainedClue): string {
  if (realservers === undefined) return `${number} / ${of}`
  return realservers.length === 0 ? texts.nobody : realservers.join(', ')
}
