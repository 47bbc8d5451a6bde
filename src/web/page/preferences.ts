/** Language and theme, kept in this browser and nowhere else. */
import { useEffect, useState } from 'preact/hooks'
import { LANGUAGES, type Language, preferredLanguage } from './texts/index.js'

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

export function usePreferences(): Preferences {
  const [language, setLanguage] = useState<Language>(() => {
    const known = Object.keys(LANGUAGES) as Language[]
    return known.find((each) => each === kept('language')) ?? preferredLanguage(navigator.languages)
  })
  const [theme, setTheme] = useState<Theme>(
    () => THEMES.find((each) => each === kept('theme')) ?? 'auto',
  )
  useEffect(() => {
    document.documentElement.lang = LANGUAGES[language].htmlLang
    document.title = LANGUAGES[language].title
    keep('language', language)
  }, [language])
  useEffect(() => {
    document.documentElement.dataset.theme = theme
    keep('theme', theme)
  }, [theme])
  return { language, theme, setLanguage, setTheme }
}
