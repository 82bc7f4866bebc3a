import { findSecret } from '../../core/secret.ts'
import type { TextReader } from '../text-reader.ts'
import { ARROW_SLIP, arrowFault, nameFault, noValueFault } from './causes.ts'
import { type Fault, SyntaxFault } from './fault.ts'
import type { EntrySyntax, NameSyntax, PluginSyntax, StringSyntax, ValueSyntax } from './syntax.ts'

/** What the reader of values needs of the one of plugins. */
interface Surroundings {
  report(fault: SyntaxFault, damage: Fault['damage']): void
  /** Reads the options of a plugin up to behind its brace. */
  plugin(name: NameSyntax): PluginSyntax
}

const DEPTH_MAX = 200
const WORD = /[A-Za-z0-9_-]+/y
const BAREWORD = /[A-Za-z_][A-Za-z0-9_]+/y
const NUMBER = /-?[0-9]+(?:\.[0-9]*)?/y
/** What makes a word one that should stand in quotes, where it follows without a blank. */
const GLUED = /[A-Za-z0-9_.\-:/@%$+~*?&=|\\]/y

/** Reads what stands behind `=>`. */
export class ValueReader {
  readonly #reader: TextReader
  readonly #around: Surroundings
  readonly #brackets: string[] = []
  /** The last text that goes over several lines: most often its closing quote is missing. */
  #longText: StringSyntax | undefined

  constructor(reader: TextReader, around: Surroundings) {
    this.#reader = reader
    this.#around = around
  }

  /** The brackets that a fault left open; none are afterwards. */
  takeOpenBrackets(): string[] {
    return this.#brackets.splice(0)
  }

  /** @throws SyntaxFault */
  read(): ValueSyntax {
    const reader = this.#reader
    if (this.#brackets.length > DEPTH_MAX) throw new SyntaxFault(reader.at, `expected at most ${DEPTH_MAX} nested values`)
    if (reader.char === '[') return this.#array()
    if (reader.char === '{') return this.#hash()
    return this.#pluginNamedHere() ?? this.#string() ?? this.#word()
  }

  name(): NameSyntax | undefined {
    const start = this.#reader.at
    const word = this.#reader.match(WORD)
    if (word !== undefined) return { kind: 'name', text: word, start, end: this.#reader.at }
    const string = this.#string()
    return string && { kind: 'name', text: string.text, start, end: string.end }
  }

  #string(): StringSyntax | undefined {
    const reader = this.#reader
    const { char: quote, at: start } = reader
    if (quote !== '"' && quote !== "'") return undefined
    reader.at++
    const text = reader.until(quote)
    if (text === undefined) throw this.#endless(start, quote)
    const string: StringSyntax = { kind: 'string', quote, text, start, end: reader.at }
    if (text.includes('\n')) this.#longText = string
    return string
  }

  /** A text that never ends. */
  #endless(start: number, quote: string): SyntaxFault {
    const { hint, resume } = this.#missingQuote(start, quote)
    const message = `expected ${quote} to close the text that begins with ${this.#beginningOf(start, resume)}`
    return new SyntaxFault(this.#reader.text.length, message, hint, { resume })
  }

  /** Of a text in quotes, for messages; of a password the quote only. */
  #beginningOf(start: number, end: number): string {
    const { text } = this.#reader
    const begin = text.slice(start, Math.min(end, start + 30)).split(/[\r\n]/, 1)[0] ?? ''
    const line = text.slice(text.lastIndexOf('\n', start) + 1, start)
    return findSecret(line + begin) < 0 ? begin : `${text.charAt(start)}…`
  }

  /** Why a text goes on behind its line, and where it most probably should have ended. */
  #missingQuote(start: number, quote: string): { hint: string; resume: number } {
    const line = /^[^\r\n]*/.exec(this.#reader.text.slice(start + 1))?.[0] ?? ''
    const escaped = line.lastIndexOf(`\\${quote}`)
    if (escaped < 0) return { hint: `its closing ${quote} is missing`, resume: start + 1 + line.length }
    const hint = `a backslash right before the closing ${quote} keeps the text open: write a path with /`
    return { hint, resume: start + escaped + 3 }
  }

  /** Whether what is wrong at an offset stands in the line in which a text of several lines ended that has options inside. */
  isTextTooLong(offset: number): boolean {
    const text = this.#longText
    if (text === undefined || offset < text.end || !text.text.includes('=>')) return false
    return !this.#reader.text.slice(text.end, offset).includes('\n')
  }

  /** The fault itself; or that the text before lacks its closing quote. */
  explain(fault: SyntaxFault): SyntaxFault {
    const text = this.#longText
    if (text === undefined || !this.isTextTooLong(fault.offset)) return fault
    this.#longText = undefined
    const { hint, resume } = this.#missingQuote(text.start, text.quote)
    const begin = this.#beginningOf(text.start, text.end)
    return new SyntaxFault(fault.offset, fault.message, `the text that begins with ${begin} goes over several lines: ${hint}`, {
      resume,
    })
  }

  /** A value may be a plugin: its name and a brace. */
  #pluginNamedHere(): PluginSyntax | undefined {
    const reader = this.#reader
    const { at } = reader
    const name = this.name()
    if (name === undefined) return undefined
    reader.skip()
    if (reader.char !== '{') {
      reader.at = at
      return undefined
    }
    reader.at++
    const outer = this.#brackets.splice(0)
    const plugin = this.#around.plugin(name)
    this.#brackets.push(...outer)
    return plugin
  }

  #word(): ValueSyntax {
    const reader = this.#reader
    const start = reader.at
    const bareword = reader.match(BAREWORD)
    const text = bareword ?? reader.match(NUMBER)
    if (text !== undefined && reader.peek(GLUED) === undefined) {
      return { kind: bareword === undefined ? 'number' : 'bareword', text, start, end: reader.at }
    }
    reader.at = start
    const meant = this.#passOver(noValueFault(reader))
    return { kind: 'string', quote: '"', text: meant, start, end: reader.at }
  }

  /** Goes on behind a fault as if the text said what it was meant to say. Thrown where that is not clear. */
  #passOver(fault: SyntaxFault): string {
    const { offset: start, resume: end, meant } = fault
    if (end === undefined || meant === undefined) throw fault
    this.#reader.at = end
    this.#around.report(fault, { start, end, filler: '1' })
    return meant
  }

  #array(): ValueSyntax {
    const reader = this.#reader
    const start = reader.at
    const items: ValueSyntax[] = []
    this.#enter('[')
    while (!reader.take(']')) {
      items.push(this.read())
      reader.skip()
      if (reader.char === ']') continue
      const comma = reader.at
      if (reader.take(',')) {
        reader.skip()
        if (reader.char === ']') this.#oddComma(reader.at, comma, 'no comma stands after the last element of a list')
      } else {
        this.#expectElement()
      }
    }
    this.#brackets.pop()
    return { kind: 'array', items, start, end: reader.at }
  }

  /** A comma is missing, or the list has no end. */
  #expectElement(): void {
    const reader = this.#reader
    const isElement = reader.peek(/["'[{A-Za-z0-9_-]/y) !== undefined && reader.peek(/[A-Za-z0-9_-]+[ \t]*=>/y) === undefined
    const message = `expected , or ] in a list, found ${reader.found}`
    if (!isElement)
      throw new SyntaxFault(reader.at, message, reader.char === '}' || reader.isAtEnd ? 'a ] is missing' : undefined)
    const before = reader.at - 1
    const isBlank = /\s/.test(reader.text[before] ?? '')
    const fault = new SyntaxFault(reader.at, message, 'elements of a list are separated by commas')
    this.#around.report(fault, isBlank ? { start: before, end: reader.at, filler: ',' } : undefined)
  }

  #hash(): ValueSyntax {
    const reader = this.#reader
    const start = reader.at
    const entries: EntrySyntax[] = []
    this.#enter('{')
    while (!reader.take('}')) {
      const comma = reader.at
      if (reader.take(','))
        this.#oddComma(comma, comma, 'entries of a hash are separated by blanks or lines: leave the comma out')
      else entries.push(this.#entry())
      reader.skip()
    }
    this.#brackets.pop()
    return { kind: 'hash', entries, start, end: reader.at }
  }

  #entry(): EntrySyntax {
    const reader = this.#reader
    const key = this.#key()
    reader.skip()
    this.arrow(key.text)
    reader.skip()
    const value = this.read()
    return { kind: 'entry', key, value, start: key.start, end: value.end }
  }

  /** Passes over `=>`, also where something similar stands for it. */
  arrow(name: string, blockHint?: string): void {
    const reader = this.#reader
    if (reader.take('=>')) return
    const fault = arrowFault(reader, name, blockHint)
    const start = reader.at
    const slip = reader.match(ARROW_SLIP)
    if (slip === undefined) throw fault
    const hasRoom = slip.length > 1 || /[ \t]/.test(reader.char ?? '')
    this.#around.report(fault, hasRoom ? { start, end: Math.max(reader.at, start + 2), filler: '=>' } : undefined)
  }

  #key(): NameSyntax {
    const reader = this.#reader
    const start = reader.at
    const word = reader.match(NUMBER) ?? reader.match(BAREWORD)
    if (word !== undefined && (reader.peek(GLUED) === undefined || reader.peek(/[=:]/y) !== undefined)) {
      return { kind: 'name', text: word, start, end: reader.at }
    }
    reader.at = start
    const string = this.#string()
    const isWord = reader.peek(WORD) !== undefined
    const text = string?.text ?? this.#passOver(isWord ? noValueFault(reader) : nameFault(reader, 'a key or }'))
    return { kind: 'name', text, start, end: reader.at }
  }

  #enter(bracket: string): void {
    this.#brackets.push(bracket)
    this.#reader.at++
    this.#reader.skip()
  }

  #oddComma(offset: number, comma: number, hint: string): void {
    const fault = new SyntaxFault(offset, 'expected no comma here', hint)
    this.#around.report(fault, { start: comma, end: comma + 1 })
  }
}
