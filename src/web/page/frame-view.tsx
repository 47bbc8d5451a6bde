/** A frame layer by layer, field by field, beside its bytes as they came and as they left. */
import { useState } from 'preact/hooks'
import { type DescribedField, describe, type Layer } from '../../wire/describe.js'
import { bytesOfHex } from './bytes.js'
import { Hex } from './hex.jsx'
import type { Moment } from './session.js'
import type { Texts } from './texts/index.js'

export interface ViewProps {
  readonly texts: Texts
  readonly moment: Moment
}

export function layersOf(bytes: Uint8Array): Layer[] {
  return describe(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, bytes.length)
}

export function FrameView({ texts, moment }: ViewProps) {
  const { hexBefore, hexAfter, answers, isPacketUnchanged } = moment.explanation
  const [pointed, setPointed] = useState<DescribedField | null>(null)
  const before = bytesOfHex(hexBefore)
  const after = hexAfter === null ? null : bytesOfHex(hexAfter)
  return (
    <>
      <div class="pair">
        <Hex title={texts.before} bytes={before} other={after} pointed={pointed} />
        {after !== null && (
          <Hex title={texts.after} bytes={after} other={before} pointed={pointed} />
        )}
      </div>
      <p class="hint">
        {after === null ? texts.notForwarded : texts.changed}{' '}
        {isPacketUnchanged === true && texts.unchanged}
      </p>
      <h3>{texts.headers}</h3>
      <Layers
        layers={layersOf(before)}
        changed={after === null ? null : layersOf(after)}
        point={setPointed}
      />
      {answers.length > 0 && <h3>{texts.answers}</h3>}
      {answers.map(({ hex, summary }) => (
        <div key={hex}>
          <Hex title={summary} bytes={bytesOfHex(hex)} other={null} pointed={null} />
          <Layers layers={layersOf(bytesOfHex(hex))} changed={null} point={() => {}} />
        </div>
      ))}
    </>
  )
}

interface LayersProps {
  readonly layers: readonly Layer[]
  /** The same layers as they left. */
  readonly changed: readonly Layer[] | null
  point(field: DescribedField | null): void
}

export function Layers({ layers, changed, point }: LayersProps) {
  return (
    <div class="layers">
      {layers.map((layer, l) => (
        <section key={`${layer.name} ${layer.offset}`} class="layer">
          <h4>
            {layer.name} <small>{layer.bytes} B</small>
          </h4>
          <dl>
            {layer.fields.map((field, f) => {
              const left = changed?.[l]?.fields[f]?.value ?? field.value
              return (
                <div key={`${field.name} ${field.offset}`}>
                  <dt>
                    <button
                      type="button"
                      class="field"
                      onMouseEnter={() => point(field)}
                      onMouseLeave={() => point(null)}
                      onFocus={() => point(field)}
                      onBlur={() => point(null)}
                    >
                      {field.name}
                    </button>
                  </dt>
                  <dd>
                    {field.value}
                    {left !== field.value && (
                      <>
                        {' → '}
                        <mark>{left}</mark>
                      </>
                    )}
                  </dd>
                </div>
              )
            })}
          </dl>
        </section>
      ))}
    </div>
  )
}
