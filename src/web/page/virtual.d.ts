/** What scripts/page.mjs puts into the bundle. */
declare module 'virtual:sources' {
  export interface TracedFunction {
    /** Index into `files`. */
    readonly file: number
    readonly name: string
    /** Lines, from 1. */
    readonly first: number
    readonly last: number
  }
  const sources: {
    readonly files: readonly { readonly path: string; readonly lines: readonly string[] }[]
    readonly functions: readonly TracedFunction[]
  }
  export default sources
}

declare module 'virtual:example-capture' {
  const bytes: Uint8Array
  export default bytes
}

declare module 'virtual:example-rules' {
  const text: string
  export default text
}
