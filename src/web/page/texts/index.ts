/** The languages of the page, and which one a browser asks for. */
import { en, type Texts } from './en.js'
import { zh } from './zh.js'

export type { Texts } from './en.js'

export const LANGUAGES = { en, zh } as const satisfies Readonly<Record<string, Texts>>
export type Language = keyof typeof LANGUAGES

export function preferredLanguage(wanted: readonly string[]): Language {
  return wanted[0]?.toLowerCase().startsWith('zh') ? 'zh' : 'en'
}
