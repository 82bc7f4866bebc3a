import { didYouMean } from '../../core/errors.ts'
import type { TextReader } from '../text-reader.ts'
import { SyntaxFault } from './fault.ts'

/** What people write instead of what the language wants, and what to do about it. */

const QUOTES: { readonly [open: string]: string } = {
  '\u201c': '\u201d',
  '\u201d': '\u201d',
  '\u201e': '\u201c',
  '\u2018': '\u2019',
  '\u2019': '\u2019',
  '\u00ab': '\u00bb',
}

const ODD_CHARACTERS: { readonly [char: string]: string } = {
  '\u00a0': 'this is a no-break space (U+00A0): replace it by an ordinary blank',
  '\u3000': 'this is an ideographic space (U+3000): replace it by an ordinary blank',
  '\u200b': 'this is a character without width (U+200B): delete it',
  '\ufeff': 'this is a byte order mark (U+FEFF): save the file as UTF-8 without it',
  '\uff1d': 'this is a full-width equals sign: write =',
  '\uff5b': 'this is a full-width brace: write {',
  '\uff5d': 'this is a full-width brace: write }',
  '\uff0c': 'this is a full-width comma: write ,',
  ';': 'leave the semicolon out: a line needs no end mark',
  '\\': 'a backslash has no meaning here',
}

/** What is odd about the character where the reader stands, if that is known. */
function oddCharacter(reader: TextReader): { hint: string; resume?: number } | undefined {
  const char = reader.char ?? ''
  const closing = QUOTES[char]
  if (closing !== undefined) {
    const end = reader.text.slice(reader.at + 1).search(new RegExp(`[${closing}"\r\n]`))
    const resume = end < 0 ? reader.text.length : reader.at + 1 + end
    const hint = `${char} is a typographic quote: write "`
    return { hint, resume: reader.text[resume] === closing ? resume + 1 : resume }
  }
  const hint = ODD_CHARACTERS[char]
  if (hint !== undefined) return { hint }
  if (reader.peek(/\/\/|\/\*|--/y) !== undefined) {
    const line = reader.peek(/[^\r\n]*/y) ?? ''
    return { hint: 'a comment begins with #', resume: reader.at + line.length }
  }
  return undefined
}

/** What cannot begin a value. */
export function valueFault(reader: TextReader): SyntaxFault {
  const { at } = reader
  const odd = oddCharacter(reader)
  const glued = reader.peek(/[^\s,\]}#"']+/y) ?? ''
  const message = `expected a value, found ${reader.found}`
  if (odd !== undefined) return new SyntaxFault(at, message, odd.hint, odd.resume)
  if (reader.peek(/\$\{/y) !== undefined) {
    const variable = reader.peek(/\$\{[^}\r\n]*\}?/y) ?? ''
    return new SyntaxFault(at, message, `a variable stands in quotes: "${variable}"`, at + variable.length)
  }
  if (/^[.+]\d/.test(glued)) {
    const number = glued.startsWith('.') ? `0${glued}` : glued.slice(1)
    return new SyntaxFault(at, message, `a number is written ${number}`, at + glued.length)
  }
  if (/^[/%*~@.]/.test(glued)) return new SyntaxFault(at, message, `write it in quotes: "${glued}"`, at + glued.length)
  if (reader.char === '}') return new SyntaxFault(at, message, 'the value is missing')
  return new SyntaxFault(at, message)
}

/** A word that is no value without quotes; the reader stands at its beginning. */
export function wordFault(reader: TextReader): SyntaxFault {
  const start = reader.at
  const word = reader.peek(/[^\s,\]}#"'=>]+/y) ?? ''
  const why =
    word.length === 1 ? 'a word without quotes has two letters at least' : 'only letters, digits and _ go without quotes'
  return new SyntaxFault(start, `expected a value, found ${word}`, `${why}: write "${word}"`, start + Math.max(1, word.length))
}

/** What stands where `=>` should, behind `name`. */
export function arrowFault(reader: TextReader, name: string, blockHint?: string): SyntaxFault {
  const { at } = reader
  const slip = reader.peek(/=[ \t]+>|->|=|:/y)
  const hint = slip === undefined ? (reader.char === '{' ? blockHint : undefined) : `write ${name} => instead of ${slip}`
  const odd = slip === undefined ? oddCharacter(reader) : undefined
  return new SyntaxFault(at, `expected => after ${name}, found ${reader.found}`, hint ?? odd?.hint, odd?.resume)
}

/** What cannot begin a plugin, an option or the key of a hash. */
export function nameFault(reader: TextReader, expected: string): SyntaxFault {
  const { at } = reader
  const odd = oddCharacter(reader)
  if (odd === undefined && reader.char === '[') {
    const field = reader.peek(/(?:\[[^\]\r\n]*\])+/y) ?? '['
    return new SyntaxFault(at, `expected ${expected}, found ${reader.found}`, `a field as a name stands in quotes: "${field}"`)
  }
  return new SyntaxFault(at, `expected ${expected}, found ${reader.found}`, odd?.hint, odd?.resume)
}

/** What cannot begin a section. */
export function sectionFault(reader: TextReader): SyntaxFault {
  const { at } = reader
  const word = reader.peek(/[A-Za-z0-9_-]+/y)
  const expected = `expected input, filter or output, found ${reader.found}`
  if (reader.char === '}') return new SyntaxFault(at, expected, 'one } too many: everything is closed already')
  if (word === undefined) return new SyntaxFault(at, expected, oddCharacter(reader)?.hint)
  const meant = didYouMean(word, ['input', 'filter', 'output'])?.hint
  const rest = reader.text.slice(at + word.length, at + word.length + 200)
  const isBlock = /^\s*\{/.test(rest)
  const hint = isBlock ? `${word} { … } stands inside input { … }, filter { … } or output { … }` : undefined
  return new SyntaxFault(at, expected, meant ?? hint)
}

/** What follows a plugin's name instead of its brace. */
export function braceFault(reader: TextReader, name: string): SyntaxFault {
  const hint =
    name === 'else' || reader.peek(/=>/y) === undefined
      ? undefined
      : `an option stands inside a plugin: some_plugin { ${name} => … }`
  return new SyntaxFault(reader.at, `expected { after ${name}, found ${reader.found}`, hint ?? oddCharacter(reader)?.hint)
}
