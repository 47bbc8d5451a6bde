/** Where a reader chooses theme and language. */
import { type Preferences, THEMES, type Theme } from './preferences.js'
import { LANGUAGES, type Language, type Texts } from './texts/index.js'

export interface PreferenceControlsProps {
  readonly texts: Texts
  readonly preferences: Preferences
}

export function PreferenceControls({ texts, preferences }: PreferenceControlsProps) {
  const themes = { auto: texts.themeAuto, light: texts.themeLight, dark: texts.themeDark }
  return (
    <>
      <label>
        {texts.theme}{' '}
        <select
          value={preferences.theme}
          onChange={(event) => preferences.setTheme(event.currentTarget.value as Theme)}
        >
          {THEMES.map((theme) => (
            <option key={theme} value={theme}>
              {themes[theme]}
            </option>
          ))}
        </select>
      </label>
      <label>
        <span class="hidden">Language 语言</span>
        <select
          value={preferences.language}
          onChange={(event) => preferences.setLanguage(event.currentTarget.value as Language)}
        >
          {Object.entries(LANGUAGES).map(([code, { language, htmlLang }]) => (
            <option key={code} value={code} lang={htmlLang}>
              {language}
            </option>
          ))}
        </select>
      </label>
    </>
  )
}
