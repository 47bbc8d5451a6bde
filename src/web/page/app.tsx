/** The whole page: what is open, which frame is looked at, and who shows it. */

import exampleCapture from 'virtual:example-capture'
import exampleRules from 'virtual:example-rules'
import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import type { Mode } from '../../engine/director-state.js'
import { Detail } from './detail.jsx'
import { FrameList } from './frame-list.jsx'
import { Header } from './header.jsx'
import { usePreferences } from './preferences.js'
import { Session, Unopenable } from './session.js'
import { FORWARD } from './source-view.jsx'
import { LANGUAGES, type Texts } from './texts/index.js'

/** What is open. The names are null for the example. */
export interface Opened {
  readonly capture: Uint8Array
  readonly captureName: string | null
  readonly rules: string
  readonly rulesName: string | null
  readonly mode: Mode
}

const EXAMPLE: Opened = {
  capture: exampleCapture,
  captureName: null,
  rules: exampleRules,
  rulesName: null,
  mode: 'textbook',
}

/** The first bytes of captures; every other file is taken for rules. */
const MAGICS = new Set([0xa1b2c3d4, 0xd4c3b2a1, 0xa1b23c4d, 0x4d3cb2a1, 0x0a0d0d0a])

function isCapture(bytes: Uint8Array, name: string): boolean {
  if (/\.(pcap|pcapng|cap)$/i.test(name)) return true
  if (bytes.length < 4) return false
  return MAGICS.has(new DataView(bytes.buffer, bytes.byteOffset).getUint32(0))
}

const titleOf = (texts: Texts) => texts.title

export function App() {
  const preferences = usePreferences(titleOf)
  const texts = LANGUAGES[preferences.language]
  const [opened, setOpened] = useState(EXAMPLE)
  const [session, setSession] = useState<Session | null>(null)
  const [failure, setFailure] = useState<string | null>(null)
  const [progress, setProgress] = useState<number | null>(null)
  const [index, setIndex] = useState(0)
  const latest = useRef(opened)

  const open = useCallback(async (wanted: Opened) => {
    latest.current = wanted
    setProgress(0)
    setFailure(null)
    try {
      const made = await Session.open({ ...wanted, entrance: FORWARD }, async (frames) => {
        setProgress(frames)
        await new Promise((resolve) => setTimeout(resolve, 0))
      })
      if (latest.current !== wanted) return
      setOpened(wanted)
      setSession(made)
      setIndex((before) => Math.min(before, made.rows.length - 1))
    } catch (error) {
      if (!(error instanceof Unopenable)) throw error
      if (latest.current === wanted) setFailure(error.message)
    } finally {
      if (latest.current === wanted) setProgress(null)
    }
  }, [])

  useEffect(() => void open(EXAMPLE), [open])

  /** Files that were chosen or dropped: captures by their first bytes, rules else. */
  const take = useCallback(
    async (files: readonly File[]) => {
      let wanted = opened
      for (const file of files) {
        const bytes = new Uint8Array(await file.arrayBuffer())
        wanted = isCapture(bytes, file.name)
          ? { ...wanted, capture: bytes, captureName: file.name }
          : { ...wanted, rules: new TextDecoder().decode(bytes), rulesName: file.name }
      }
      if (wanted.capture !== opened.capture) setIndex(0)
      await open(wanted)
    },
    [opened, open],
  )
  useDrop(take)

  const actions = {
    take,
    example: () => void open(EXAMPLE),
    setMode: (mode: Mode) => void open({ ...opened, mode }),
  }
  return (
    <div class="page">
      <Header {...{ texts, preferences, opened, actions }} />
      {failure !== null && (
        <p class="notice bad" role="alert">
          <strong>{texts.failed}:</strong> {failure}
        </p>
      )}
      {progress !== null && progress > 0 && (
        <p class="notice" role="status">
          {texts.opening} … {progress}
        </p>
      )}
      {session !== null && session.problem !== null && (
        <p class="notice" role="status">
          {texts.problem}: {session.problem}
        </p>
      )}
      {session?.isCutShort === true && <p class="notice">{texts.tooMany}</p>}
      {session !== null && (
        <main>
          <FrameList {...{ texts, session, index, setIndex }} />
          <Detail {...{ texts, session, index }} />
        </main>
      )}
    </div>
  )
}

/** Files that are dropped anywhere on the page. */
function useDrop(take: (files: readonly File[]) => Promise<void>): void {
  useEffect(() => {
    const over = (event: DragEvent) => event.preventDefault()
    const drop = (event: DragEvent) => {
      event.preventDefault()
      const files = [...(event.dataTransfer?.files ?? [])]
      if (files.length > 0) void take(files)
    }
    addEventListener('dragover', over)
    addEventListener('drop', drop)
    return () => {
      removeEventListener('dragover', over)
      removeEventListener('drop', drop)
    }
  }, [take])
}
