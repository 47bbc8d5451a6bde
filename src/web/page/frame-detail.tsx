/** One frame, field by field, beside its bytes. */
import { useState } from 'preact/hooks'
import type { DescribedField } from '../../wire/describe.js'
import { Layers, layersOf } from './frame-view.jsx'
import { bytesOfHex, Hex } from './hex.jsx'

export function FrameDetail({ title, hex }: { title: string; hex: string }) {
  const [pointed, setPointed] = useState<DescribedField | null>(null)
  const bytes = bytesOfHex(hex)
  return (
    <>
      <Hex title={title} bytes={bytes} other={null} pointed={pointed} />
      <Layers layers={layersOf(bytes)} changed={null} point={setPointed} />
    </>
  )
}
