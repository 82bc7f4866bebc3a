import { inspect } from 'node:util'

/** A password, key or token. Printing it in any way gives `<password>`. */
export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  /** The secret itself: only for the call that needs it, never to be kept. */
  reveal(): string {
    return this.#value
  }

  toString(): string {
    return '<password>'
  }

  toJSON(): string {
    return '<password>'
  }

  [inspect.custom](): string {
    return '<password>'
  }
}
