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

/** Shorter texts are part of too many words, and are no secrets. */
const SECRET_LENGTH_MIN = 4

/** What the process was told as a secret: values of the keystore and of mounted files. */
const kept = new Set<string>()

/** From here on this text stands in no message: an option of another kind may be given a secret by mistake. */
export function keepSecret(text: string): void {
  if (text.length < SECRET_LENGTH_MIN) return
  kept.add(text)
  // As messages quote it.
  kept.add(JSON.stringify(text).slice(1, -1))
}

/** All of them, for another thread to keep too. */
export function keptSecrets(): readonly string[] {
  return [...kept]
}

/** A text for people without the secrets that were kept. */
export function withoutSecrets(text: string): string {
  let hidden = text
  for (const secret of kept) hidden = hidden.replaceAll(secret, '<password>')
  return hidden
}
