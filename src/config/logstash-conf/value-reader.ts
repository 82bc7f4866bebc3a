import type { TextReader } from '../text-reader.ts'
import { arrowFault, nameFault, valueFault, wordFault } from './causes.ts'
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

  /** A text that never ends: where it most probably should have. */
  #endless(start: number, quote: string): SyntaxFault {
    const { text } = this.#reader
    const rest = text.slice(start + 1)
    const line = /^[^\r\n]*/.exec(rest)?.[0] ?? ''
    const escaped = line.lastIndexOf(`\\${quote}`)
    const hint =
      escaped < 0
        ? `its closing ${quote} is missing`
        : `a backslash right before the closing ${quote} keeps the text open: write the path with /, or put something between them`
    const resume = start + 1 + (escaped < 0 ? line.length : escaped + 2)
    return new SyntaxFault(
      text.length,
      `expected ${quote} to close the text that begins with ${quote}${line.slice(0, 30)}`,
      hint,
      resume,
    )
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
    if (outer.length > DEPTH_MAX) throw new SyntaxFault(at, `expected at most ${DEPTH_MAX} nested values`)
    const plugin = this.#around.plugin(name)
    this.#brackets.push(...outer)
    return plugin
  }

  #word(): ValueSyntax {
    const reader = this.#reader
    const start = reader.at
    const bareword = reader.match(BAREWORD)
    const text = bareword ?? reader.match(NUMBER)
    const longText = this.#longText
    if (text === undefined || reader.peek(GLUED) !== undefined) {
      reader.at = start
      if (longText?.end === start) throw this.#longTextFault(longText)
      throw reader.peek(WORD) === undefined ? valueFault(reader) : wordFault(reader)
    }
    return { kind: bareword === undefined ? 'number' : 'bareword', text, start, end: reader.at }
  }

  #longTextFault(text: StringSyntax): SyntaxFault {
    return new SyntaxFault(text.end, `expected an option or }, found ${this.#reader.found}`)
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
    this.#around.report(new SyntaxFault(reader.at, message, 'elements of a list are separated by commas'), undefined)
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
    if (!reader.take('=>')) throw arrowFault(reader, key.text)
    reader.skip()
    const value = this.read()
    return { kind: 'entry', key, value, start: key.start, end: value.end }
  }

  #key(): NameSyntax {
    const reader = this.#reader
    const start = reader.at
    const word = reader.match(NUMBER) ?? reader.match(BAREWORD)
    if (word !== undefined) {
      if (reader.peek(GLUED) === undefined || reader.peek(/=>/y) !== undefined)
        return { kind: 'name', text: word, start, end: reader.at }
      reader.at = start
      throw wordFault(reader)
    }
    const string = this.#string()
    if (string !== undefined) return { kind: 'name', text: string.text, start, end: string.end }
    throw reader.peek(WORD) === undefined ? nameFault(reader, 'a key or }') : wordFault(reader)
  }

  #enter(bracket: string): void {
    this.#brackets.push(bracket)
    this.#reader.at++
    this.#reader.skip()
  }

  #oddComma(offset: number, comma: number, hint: string): void {
    const fault = new SyntaxFault(offset, `expected no comma here, found ${this.#reader.found}`, hint)
    this.#around.report(fault, { start: comma, end: comma + 1 })
  }
}
