/** Which ASCII characters are meant, by their codes. */
export type AsciiSet = Uint8Array

const ASCII = 128

const CONTROLS: { readonly [letter: string]: string } = { t: '\t', n: '\n', r: '\r', f: '\f', v: '\v', a: '\x07', e: '\x1b' }
const SETS: { readonly [letter: string]: RegExp } = { s: /[\t\n\v\f\r ]/, d: /\d/, w: /\w/, h: /[\dA-Fa-f]/ }

/**
 * Reads what stands between the brackets of a Ruby character class, where it lists ASCII characters: themselves, escaped,
 * `\t`, `\s`, `a-z`. Anything more (`^`, `&&`, brackets, `\p{…}`, other characters) is `undefined`: only the regex engine knows.
 */
export function readAsciiClass(source: string): AsciiSet | undefined {
  // A caret or a hyphen at an end may mean something else beside another class.
  if (source === '' || /^[\^-]|&&|(?<!\\)-$/.test(source)) return undefined
  const set = new Uint8Array(ASCII)
  for (let at = 0; at < source.length; ) {
    const escaped = source[at] === '\\' ? (source[at + 1] ?? '') : undefined
    const all = escaped === undefined ? undefined : SETS[escaped]
    if (all !== undefined) {
      for (let code = 0; code < ASCII; code++) if (all.test(String.fromCharCode(code))) set[code] = 1
      at += 2
      continue
    }
    const first = characterAt(source, at)
    if (first === undefined) return undefined
    at += first.length
    let last = first
    if (source[at] === '-') {
      const end = characterAt(source, at + 1)
      if (end === undefined || end.code < first.code) return undefined
      at += 1 + end.length
      last = end
    }
    set.fill(1, first.code, last.code + 1)
  }
  return set
}

function characterAt(source: string, at: number): { readonly code: number; readonly length: number } | undefined {
  const char = source[at] ?? ''
  if (char === '\\') {
    const letter = source[at + 1] ?? ''
    const meant = CONTROLS[letter] ?? (/^[!-/:-@[-`{-~ ]$/.test(letter) ? letter : undefined)
    return meant === undefined ? undefined : { code: meant.charCodeAt(0), length: 2 }
  }
  const code = char.charCodeAt(0)
  return code < ASCII && char !== '[' && char !== ']' ? { code, length: 1 } : undefined
}
