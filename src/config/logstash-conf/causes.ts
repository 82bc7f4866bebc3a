import { didYouMean } from '../../core/errors.ts'
import { oddCharacter } from '../odd-characters.ts'
import type { TextReader } from '../text-reader.ts'
import { SyntaxFault } from './fault.ts'

/** What people write instead of what the language wants, and what to do about it. */

/** What cannot begin a value. */
function valueFault(reader: TextReader): SyntaxFault {
  const { at } = reader
  const message = `expected a value, found ${reader.found}`
  const odd = oddCharacter(reader)
  if (odd !== undefined) return new SyntaxFault(at, message, odd.hint, odd)
  const variable = reader.peek(/\$\{[^}\r\n]*\}?/y)
  if (variable !== undefined) {
    return new SyntaxFault(at, message, `a variable stands in quotes: "${variable}"`, meaning(at, variable))
  }
  const glued = reader.peek(/[^\s,\]}#"']+/y) ?? ''
  if (/^[.+]\d/.test(glued)) {
    const number = glued.startsWith('.') ? `0${glued}` : glued.slice(1)
    return new SyntaxFault(at, message, `a number is written ${number}`, meaning(at, glued, number))
  }
  if (/^[/%*~@.]/.test(glued))
    return new SyntaxFault(at, message, `write it in quotes: ${reader.quote(glued)}`, meaning(at, glued))
  return new SyntaxFault(at, message, reader.char === '}' ? 'the value is missing' : undefined)
}

function meaning(at: number, text: string, meant = text): { resume: number; meant: string } {
  return { resume: at + text.length, meant }
}

/** What is no value: a word that needs quotes, or something else. The reader stands at its beginning. */
export function noValueFault(reader: TextReader): SyntaxFault {
  const start = reader.at
  if (reader.peek(/[A-Za-z0-9_-]/y) === undefined) return valueFault(reader)
  const word = reader.peek(/[^\s,\]}#"'=>{]+/y) ?? ''
  const why =
    word.length === 1 ? 'a word without quotes has two letters at least' : 'only letters, digits and _ go without quotes'
  const found = reader.quote(word)
  return new SyntaxFault(start, `expected a value, found ${found}`, `${why}: write ${found}`, meaning(start, word))
}

/** What people write where `=>` should stand. */
export const ARROW_SLIP = /=[ \t]+>|->|=|:/y

/** What stands where `=>` should, behind `name`. */
export function arrowFault(reader: TextReader, name: string, blockHint?: string): SyntaxFault {
  const { at } = reader
  const slip = reader.peek(ARROW_SLIP)
  const hint = slip === undefined ? (reader.char === '{' ? blockHint : undefined) : `write ${name} => instead of ${slip}`
  const odd = slip === undefined ? oddCharacter(reader) : undefined
  return new SyntaxFault(at, `expected => after ${name}, found ${reader.found}`, hint ?? odd?.hint, { resume: odd?.resume })
}

/** What cannot begin a plugin, an option or the key of a hash. */
export function nameFault(reader: TextReader, expected: string): SyntaxFault {
  const { at } = reader
  const message = `expected ${expected}, found ${reader.found}`
  const field = reader.peek(/(?:\[[^\]\r\n]*\])+/y)
  if (field !== undefined) {
    return new SyntaxFault(at, message, `a field as a name stands in quotes: "${field}"`, meaning(at, field))
  }
  const odd = oddCharacter(reader)
  return new SyntaxFault(at, message, odd?.hint, odd)
}

/** What cannot begin a section. */
export function sectionFault(reader: TextReader): SyntaxFault {
  const { at } = reader
  const word = reader.peek(/[A-Za-z0-9_-]+/y)
  const message = `expected input, filter or output, found ${reader.found}`
  if (reader.char === '}') return new SyntaxFault(at, message, 'one } too many: everything is closed already')
  if (word === undefined) return new SyntaxFault(at, message, oddCharacter(reader)?.hint)
  const meant = didYouMean(word, ['input', 'filter', 'output'])?.hint
  const isBlock = /^[\s]*\{/.test(reader.text.slice(at + word.length, at + word.length + 200))
  const hint = isBlock ? `${word} { … } stands inside input { … }, filter { … } or output { … }` : undefined
  return new SyntaxFault(at, message, meant ?? hint)
}

export const LONE_ELSE = 'this else has no if right before it'

/** What follows a plugin's name instead of its brace. */
export function braceFault(reader: TextReader, name: string): SyntaxFault {
  const isOption = reader.peek(/=>/y) !== undefined
  const hint = isOption ? `an option stands inside a plugin: some_plugin { ${name} => … }` : oddCharacter(reader)?.hint
  return new SyntaxFault(reader.at, `expected { after ${name}, found ${reader.found}`, name === 'else' ? LONE_ELSE : hint)
}
