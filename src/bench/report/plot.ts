/** A picture of a report. */
export interface Plot {
  /** Of the file, without `.svg`. */
  readonly name: string
  /** What it shows, in a sentence: the picture's text for those who don't see it. */
  readonly title: string
  readonly svg: string
}
