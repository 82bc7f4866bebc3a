import { replaceCards } from './cards.ts'

/** One kind of secret. */
export interface RedactRule {
  readonly name: string
  /** A quick look: whether a text may hold one at all. */
  readonly mayBeIn: (text: string) => boolean
  /** The text with `replacement()` in the place of each one, which is called once for each. */
  readonly replace: (text: string, replacement: () => string) => string
}

const SECRET = String.raw`[\w.~+/-]{16,}=*`
const JWT = /(?<![\w-])eyJ[\w-]{5,}(?:\.[\w-]*){2,4}/g
const BEARER = new RegExp(String.raw`(?<=\bbearer\s{1,4})${SECRET}`, 'gi')
const AUTHORIZATION = /(?<=\bauthorization["']?\s{0,4}[:=]\s{0,4}["']?(?:basic|digest|token|apikey)\s{1,4})[^\s"',]+/gi

/** Prefixes that say whose key it is. */
const API_KEY = new RegExp(
  [
    String.raw`(?:AKIA|ASIA|AIDA|AROA|AGPA|ANPA|ANVA)[A-Z2-7]{16}`, // AWS
    String.raw`(?<=\baws_secret_access_key["']?\s{0,4}[:=]\s{0,4}["']?)[\w/+]{40}`,
    String.raw`gh[pousr]_\w{36,}`,
    String.raw`github_pat_\w{36,}`,
    String.raw`glpat-[\w-]{20,}`,
    String.raw`xox[abeoprs]-[\w-]{10,}`, // Slack
    String.raw`AIza[\w-]{35}`, // Google
    String.raw`[rs]k_(?:live|test)_\w{16,}`, // Stripe
    String.raw`npm_\w{36}`,
  ]
    .map((pattern) => `(?<![\\w-])(?:${pattern})(?![\\w-])`)
    .join('|'),
  'g',
)
const API_KEY_SIGN =
  /A(?:KIA|SIA|IDA|ROA|GPA|NPA|NVA|Iza)|gh[pousr]_|github_pat_|glpat-|xox|k_live_|k_test_|npm_|secret_access_key/i

const PRIVATE_KEY =
  /-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY-----[^-]*(?:-(?!----END)[^-]*)*(?:-----END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY-----)?/g

const EMAIL = /(?<![\w.%+-])[\w.%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w-])/g

export const BUILT_IN_RULES: readonly RedactRule[] = [
  { name: 'card', mayBeIn: (text) => text.length >= 13 && /\d[\d -]{11,}\d/.test(text), replace: replaceCards },
  {
    name: 'token',
    mayBeIn: (text) => text.length >= 20 && (text.includes('eyJ') || /bearer\s|authorization/i.test(text)),
    replace: (text, replacement) =>
      text.replace(BEARER, replacement).replace(AUTHORIZATION, replacement).replace(JWT, replacement),
  },
  {
    name: 'api_key',
    mayBeIn: (text) => text.length >= 20 && API_KEY_SIGN.test(text),
    replace: (text, replacement) => text.replace(API_KEY, replacement),
  },
  {
    name: 'private_key',
    mayBeIn: (text) => text.length >= 27 && text.includes('PRIVATE KEY-----'),
    replace: (text, replacement) => text.replace(PRIVATE_KEY, replacement),
  },
  {
    name: 'email',
    mayBeIn: (text) => text.length >= 6 && text.includes('@'),
    replace: (text, replacement) => text.replace(EMAIL, replacement),
  },
]
