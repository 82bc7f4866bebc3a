import { inspect } from 'node:util'

/** A password, key or token. Printing it in any way gives `<password>`. */
export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
    keepSecret(value)
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
/** A shorter one is hidden where it stands by itself: `elastic` is also how other words begin. */
const LONG_SECRET_LENGTH = 10
/** Those of configs that were read again and again stay until then. */
const SECRETS_MAX = 4_096

/** What the process was told as a secret, the longest first: one may be a part of another. */
let kept: readonly string[] = []

/** From here on this text stands in no message: an option of another kind may be given it by mistake, a server may repeat it. */
export function keepSecret(text: string): void {
  // As it is, and as messages quote it.
  for (const form of [text, JSON.stringify(text).slice(1, -1)]) {
    if (form.length < SECRET_LENGTH_MIN || kept.includes(form)) continue
    kept = [...kept.slice(-SECRETS_MAX), form].sort((a, b) => b.length - a.length)
  }
}

/** All of them, for another thread to keep too. */
export function keptSecrets(): readonly string[] {
  return kept
}

/** A text for people without the secrets that were kept. */
export function withoutSecrets(text: string): string {
  let hidden = text
  for (const secret of kept) {
    if (!hidden.includes(secret)) continue
    hidden = hidden.replaceAll(secret.length < LONG_SECRET_LENGTH ? wholeWord(secret) : secret, '<password>')
  }
  return hidden
}

function wholeWord(text: string): RegExp {
  return new RegExp(`(?<![\\p{L}\\p{N}])${text.replaceAll(/[$()*+.?[\\\]^{|}/]/g, '\\$&')}(?![\\p{L}\\p{N}])`, 'gu')
}

/** Names of options, settings, variables and headers that hold secrets. */
const SECRET_NAME = /passw|passphrase|pwd|secret|token|api[_-]?key|credential|jaas|cloud.auth|authorization|cookie/i
/** The shell's folder, and how strict Logstash is. */
const PLAIN_NAME = /^(?:OLD)?PWD$|password_policy/
/** `scheme://user:password@`, at the beginning of a text also without a scheme */
const ADDRESS_WITH_PASSWORD = /(?:^|:\/\/)(?!mailto:)([^\s:/@"'{}]*):([^\s/@"'{}]+)@/g
/** The same without a scheme, or cut off in the password. */
const LIKE_PASSWORD = /[^\s:/@"']+:[^\s/@"']+@|:\/\/[^\s:/@"']*:(?!\d+$)[^\s/@"']+$/
const PARAMETER = /[?&]([\w.-]+)=([^&#\s"']+)/g
/** What is no secret under any name. */
const PLAIN_WORD = /^(?:true|false|null|none|\d{1,4})$/i

/** Where something that looks like a secret begins in a text of a config, which may be broken; -1 for nowhere. */
export function findSecret(text: string): number {
  const places = [text.search(SECRET_NAME), text.search(LIKE_PASSWORD)].filter((at) => at >= 0)
  return places.length === 0 ? -1 : Math.min(...places)
}

/** Keeps the value of what has such a name: a variable, a setting, a header. */
export function keepIfSecret(name: string, value: string): void {
  if (!SECRET_NAME.test(name) || PLAIN_NAME.test(name) || PLAIN_WORD.test(value)) return
  keepSecret(value)
  // `Bearer …`
  const [, credentials] = /^\w+ +(\S+)$/.exec(value) ?? []
  if (credentials !== undefined) keepSecret(credentials)
}

/** Keeps the passwords and tokens that stand in addresses. */
export function keepSecretsOfAddresses(text: string): void {
  for (const [, user = '', password = ''] of text.matchAll(ADDRESS_WITH_PASSWORD)) {
    keepSecret(password)
    keepCredentials(decodeIfPossible(user), decodeIfPossible(password))
  }
  for (const [, name = '', value = ''] of text.matchAll(PARAMETER)) {
    keepIfSecret(name, value)
    keepIfSecret(name, decodeIfPossible(value))
  }
}

/** Keeps a password, also as it goes over the wire. Returns that form, base64. */
export function keepCredentials(user: string, password: string): string {
  const sent = Buffer.from(`${user}:${password}`).toString('base64')
  keepSecret(password)
  keepSecret(sent)
  return sent
}

function decodeIfPossible(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
