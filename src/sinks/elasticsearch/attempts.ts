import type { Event } from '../../core/event.ts'
import type { Action } from './action.ts'
import { Blocks, type Piece } from './blocks.ts'

/** What is to be sent of one event: index, id and bytes are made once and stay the same through all attempts. */
export interface Attempt {
  readonly index: string
  /** Action line and document as they stand in a body. */
  readonly piece: Piece
  /** An attempt may have stored the document although it looked like a failure. */
  readonly may_be_stored: boolean
}

/** What is to be sent of the events that wait for their first attempt, or for a further one. */
export class Attempts {
  readonly #attempts = new Map<Event, Attempt>()
  readonly #blocks = new Blocks()

  /** Before the first attempt. */
  prepare(event: Event, action: Action, document: string): void {
    const piece = this.#blocks.add(action.line, document)
    this.#attempts.set(event, { index: action.index, piece, may_be_stored: false })
  }

  /** After one that did not finish. */
  remember(event: Event, attempt: Attempt): void {
    this.#attempts.set(event, attempt)
  }

  /** Takes an attempt out. Its bytes hold until `free`. */
  take(event: Event): Attempt | undefined {
    const attempt = this.#attempts.get(event)
    if (attempt !== undefined) this.#attempts.delete(event)
    return attempt
  }

  free({ piece }: Attempt): void {
    this.#blocks.free(piece)
  }
}
