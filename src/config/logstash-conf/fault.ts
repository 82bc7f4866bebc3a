import type { Range } from '../text-reader.ts'

/** One thing that is wrong with the syntax of a text. */
export interface Fault {
  /** Where our reader stopped understanding. */
  readonly offset: number
  /** What was expected and what came, in our words. */
  readonly message: string
  /** What to do. */
  readonly hint: string | undefined
  /**
   * What has to be thought away for the rest to be read, and what to think there instead (nothing for blanks);
   * `undefined` where thinking away does not help (a brace is missing).
   */
  readonly damage: (Range & { readonly filler?: string }) | undefined
}

interface Ways {
  /** From where to look for a place to go on, if not from the fault. */
  readonly resume?: number | undefined
  /** What the text up to `resume` was meant to say, where that is clear. */
  readonly meant?: string | undefined
}

/** Thrown where reading cannot go on; caught where it can be taken up again. */
export class SyntaxFault extends Error {
  readonly offset: number
  readonly hint: string | undefined
  readonly resume: number | undefined
  readonly meant: string | undefined

  constructor(offset: number, message: string, hint?: string, { resume, meant }: Ways = {}) {
    super(message)
    this.name = 'SyntaxFault'
    this.offset = offset
    this.hint = hint
    this.resume = resume
    this.meant = meant
  }
}
