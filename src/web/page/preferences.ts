/** Language and theme, kept in this browser and nowhere else. */
import { useEffect, useState } from 'preact/hooks'
import { LANGUAGES, type Language, preferredLanguage, type Texts } from './texts/index.js'

export const THEMES = ['auto', 'light', 'dark'] as const
export type Theme = (typeof THEMES)[number]

function kept(name: string): string | null {
  try {
    return localStorage.getItem(`uipvs.${name}`)
  } catch {
    return null
  }
}

function keep(name: string, value: string): void {
  try {
    localStorage.setItem(`uipvs.${name}`, value)
  } catch {
    // Private windows keep nothing; the choice holds until the page is closed.
  }
}

export interface Preferences {
  readonly language: Language
  readonly theme: Theme
  setLanguage(language: Language): void
  setTheme(theme: Theme): void
}

/** `titleOf` is what the window is called. */
export function usePreferences(titleOf: (texts: Texts) => string): Preferences {
  const [language, setLanguage] = useState<Language>(() => {
    const known = Object.keys(LANGUAGES) as Language[]
    return known.find((each) => each === kept('language')) ?? preferredLanguage(navigator.languages)
  })
  const [theme, setTheme] = useState<Theme>(
    () => THEMES.find((each) => each === kept('theme')) ?? 'auto',
  )
  useEffect(() => {
    document.documentElement.lang = LANGUAGES[language].htmlLang
    document.title = titleOf(LANGUAGES[language])
    keep('language', language)
  }, [language, titleOf])
  useEffect(() => {
    document.documentElement.dataset.theme = theme
    keep('theme', theme)
  }, [theme])
  return { language, theme, setLanguage, setTheme }
}
