/** The head of the page: what is open, and how it is to be shown. */
import type { Mode } from '../../engine/director-state.js'
import type { Opened } from './app.jsx'
import { PreferenceControls } from './preference-controls.jsx'
import type { Preferences } from './preferences.js'
import type { Texts } from './texts/index.js'

export interface HeaderProps {
  readonly texts: Texts
  readonly preferences: Preferences
  readonly opened: Opened
  readonly actions: {
    take(files: readonly File[]): Promise<void>
    example(): void
    setMode(mode: Mode): void
  }
}

export function Header({ texts, preferences, opened, actions }: HeaderProps) {
  return (
    <header class="top">
      <div class="heading">
        <h1>{texts.title}</h1>
        <p>{texts.lead}</p>
      </div>
      <div class="controls">
        <FileButton
          text={texts.openCapture}
          title={texts.dropHere}
          name={opened.captureName ?? texts.exampleName}
          accept=".pcap,.pcapng,.cap"
          take={actions.take}
        />
        <FileButton
          text={texts.openRules}
          title={texts.dropHere}
          name={opened.rulesName ?? texts.exampleRulesName}
          accept=""
          take={actions.take}
        />
        <button type="button" onClick={actions.example}>
          {texts.example}
        </button>
        <label title={texts.modeHint}>
          {texts.mode}{' '}
          <select
            value={opened.mode}
            onChange={(event) => actions.setMode(event.currentTarget.value as Mode)}
          >
            <option value="textbook">{texts.modeTextbook}</option>
            <option value="kernel">{texts.modeKernel}</option>
          </select>
        </label>
        <PreferenceControls {...{ texts, preferences }} />
      </div>
    </header>
  )
}

interface FileButtonProps {
  readonly text: string
  readonly title: string
  readonly name: string
  readonly accept: string
  take(files: readonly File[]): Promise<void>
}

/** A file input, for what is open of its kind. */
function FileButton({ text, title, name, accept, take }: FileButtonProps) {
  return (
    <label class="file" title={title}>
      <span class="button">{text}</span>
      <input
        type="file"
        accept={accept}
        onChange={(event) => {
          const input = event.currentTarget
          const files = [...(input.files ?? [])]
          // The same file may be chosen again after it has changed.
          input.value = ''
          void take(files)
        }}
      />
      <span class="name">{name}</span>
    </label>
  )
}
