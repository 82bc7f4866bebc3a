import { ConditionError, parseConditionOfBlock } from '../condition-parser.ts'
import type { ConditionSyntax } from '../condition-syntax.ts'
import type { SourceText } from '../source-text.ts'
import { TextReader } from '../text-reader.ts'
import { arrowFault, braceFault, LONE_ELSE, nameFault, sectionFault } from './causes.ts'
import { type Fault, SyntaxFault } from './fault.ts'
import { nextBlock, nextOption, nextSection, nextStatement } from './recovery.ts'
import type {
  ArmSyntax,
  AttributeSyntax,
  BranchSyntax,
  ConfigSyntax,
  NameSyntax,
  PluginSyntax,
  SectionName,
  SectionSyntax,
  StatementSyntax,
} from './syntax.ts'
import { ValueReader } from './value-reader.ts'

/** What could be read, and every fault in the order in which they were met. */
export interface ParsedConf {
  readonly syntax: ConfigSyntax
  readonly faults: readonly Fault[]
}

/** More faults than this say nothing new. */
const FAULTS_MAX = 100
/** Deeper blocks and values are refused: nobody writes them by hand, and reading them recurses. */
const DEPTH_MAX = 200
/** A longer chain of else if is refused: reading what comes of it recurses. */
const ARMS_MAX = 500

const SECTION_NAME = /(?:input|filter|output)(?![A-Za-z0-9_-])/y
/** A section where a plugin or option could stand: a brace is missing before it. A plugin may be called `filter` too, so the inside must look like plugins. */
const SECTION_INSIDE = /(?:input|filter|output)[ \t\r\n]*\{[ \t\r\n]*(?:[A-Za-z0-9_-]+[ \t\r\n]*\{|if[ \t\r\n([!"'])/y
const IF = /if(?![A-Za-z0-9_-])(?![ \t\r\n]*\{)/y
const ELSE_IF = /else[ \t\r\n]*if(?![A-Za-z0-9_-])/y
const ELSE_IF_SLIP = /(?:elsif|elif)(?![A-Za-z0-9_-])/y
const ELSE = /else(?=[ \t\r\n#]*\{)/y
const BLANK = /[ \t\r\n]/

/**
 * Reads the text of a `logstash.conf`:
 *
 *     config    = { ( "input" | "filter" | "output" ) "{" { branch | plugin } "}" }
 *     branch    = "if" condition block { "else" "if" condition block } [ "else" block ]
 *     plugin    = name "{" { name "=>" value } "}"            options are separated by blanks
 *     value     = plugin | bareword | "text" | 'text' | number | [ value, … ] | { key => value … }
 *
 * It goes on behind what it does not understand, so that all faults are told at once.
 */
export function parseConf(source: SourceText): ParsedConf {
  return new ConfParser(source).parse()
}

class ConfParser {
  readonly #source: SourceText
  readonly #reader: TextReader
  readonly #values: ValueReader
  readonly #faults: Fault[] = []
  /** The blocks around the place that is read. */
  readonly #open: { readonly what: string; readonly start: number }[] = []
  /** A brace is missing: all blocks end here. */
  #abandoned = false

  constructor(source: SourceText) {
    this.#source = source
    this.#reader = new TextReader(source.text)
    this.#values = new ValueReader(this.#reader, {
      report: (fault, damage) => this.#report(fault, damage),
      plugin: (name) => this.#pluginBody(name),
    })
  }

  parse(): ParsedConf {
    const reader = this.#reader
    const sections: SectionSyntax[] = []
    for (reader.skip(); !reader.isAtEnd && this.#faults.length < FAULTS_MAX; reader.skip()) {
      const section = this.#section()
      if (section !== undefined) sections.push(section)
    }
    const source = this.#source
    const syntax: ConfigSyntax = {
      kind: 'config',
      source,
      sections,
      comments: reader.comments,
      start: 0,
      end: source.text.length,
    }
    return { syntax, faults: this.#faults }
  }

  #section(): SectionSyntax | undefined {
    const reader = this.#reader
    const start = reader.at
    const name = reader.match(SECTION_NAME) as SectionName | undefined
    if (name !== undefined) reader.skip()
    if (name === undefined || !reader.take('{')) {
      const fault = name === undefined ? sectionFault(reader) : braceFault(reader, name)
      const from = fault.resume ?? Math.max(start + 1, reader.at)
      reader.at = nextSection(reader.text, from)
      this.#report(fault, { start, end: reader.at })
      return undefined
    }
    this.#abandoned = false
    this.#open.length = 0
    const statements = this.#block(name, start)
    return { kind: 'section', name, statements, start, end: reader.at }
  }

  /** What stands between braces, the first of which has been passed. */
  #block(what: string, start: number): StatementSyntax[] {
    const reader = this.#reader
    const statements: StatementSyntax[] = []
    this.#open.push({ what, start })
    for (;;) {
      reader.skip()
      if (reader.take('}')) break
      if (this.#isBraceMissing()) break
      const begin = reader.at
      try {
        if (this.#open.length > DEPTH_MAX) throw new SyntaxFault(begin, `expected at most ${DEPTH_MAX} nested blocks`)
        statements.push(this.#statement())
      } catch (thrown) {
        if (!(thrown instanceof SyntaxFault)) throw thrown
        reader.at = nextStatement(reader.text, thrown.resume ?? Math.max(begin + 1, thrown.offset))
        this.#report(thrown, { start: begin, end: reader.at })
      }
      if (this.#abandoned) return statements
    }
    if (!this.#abandoned) this.#open.pop()
    return statements
  }

  /** Whether the blocks that are open never end: reports it once for all of them. */
  #isBraceMissing(): boolean {
    const reader = this.#reader
    if (this.#faults.length >= FAULTS_MAX) this.#abandoned = true
    else if (reader.isAtEnd || reader.peek(SECTION_INSIDE) !== undefined) {
      const blocks = this.#open.map(({ what, start }) => {
        const { line, column } = this.#source.position(start)
        return `${what} at ${line}:${column}`
      })
      const last = this.#open.at(-1)?.what ?? ''
      const message = `expected } to close ${last}, found ${reader.isAtEnd ? 'the end of the file' : reader.found}`
      const hint = reader.isAtEnd
        ? `open are: ${blocks.toReversed().join(', ')}. One of them lacks its }`
        : `a } is missing before this section; open are: ${blocks.toReversed().join(', ')}`
      this.#report(new SyntaxFault(reader.at, message, hint), undefined)
      this.#abandoned = true
    }
    return this.#abandoned
  }

  #statement(): StatementSyntax {
    const reader = this.#reader
    if (reader.peek(IF) !== undefined) return this.#branch()
    const name = this.#name('a plugin or if')
    reader.skip()
    if (!reader.take('{')) {
      const isNextLine = reader.text.slice(name.end, reader.at).includes('\n')
      if (!isNextLine || reader.peek(/[A-Za-z0-9_-]+[ \t]*=>/y) === undefined) throw braceFault(reader, name.text)
      this.#report(braceFault(reader, name.text), undefined)
    }
    return this.#pluginBody(name)
  }

  #branch(): BranchSyntax {
    const reader = this.#reader
    const { at: start } = reader
    reader.match(IF)
    const arms = [this.#arm(start, 'if')]
    for (;;) {
      const end = reader.at
      reader.skip()
      const at = reader.at
      if (this.#abandoned) break
      if (arms.length >= ARMS_MAX) throw new SyntaxFault(at, `expected at most ${ARMS_MAX} parts of one if`)
      const slip = reader.match(ELSE_IF_SLIP)
      if (slip !== undefined) {
        const fault = new SyntaxFault(at, `expected else if, found ${slip}`, 'write else if')
        this.#report(fault, { start: at, end: reader.at, filler: 'if' })
        arms.push(this.#arm(at, 'else if'))
      } else if (reader.match(ELSE_IF) !== undefined) {
        arms.push(this.#arm(at, 'else if'))
      } else if (reader.match(ELSE) !== undefined) {
        arms.push(this.#arm(at, 'else'))
        return { kind: 'branch', arms, start, end: reader.at }
      } else {
        reader.at = end
        break
      }
    }
    return { kind: 'branch', arms, start, end: reader.at }
  }

  #arm(start: number, keyword: ArmSyntax['keyword']): ArmSyntax {
    const reader = this.#reader
    const condition = keyword === 'else' ? undefined : this.#condition()
    reader.skip()
    reader.take('{')
    const statements = this.#block(keyword, start)
    return { kind: 'arm', keyword, condition, statements, start, end: reader.at }
  }

  /** Reads up to the brace behind a condition, also where the condition cannot be read. */
  #condition(): ConditionSyntax | undefined {
    const reader = this.#reader
    reader.skip()
    const start = reader.at
    try {
      return parseConditionOfBlock(reader)
    } catch (thrown) {
      if (!(thrown instanceof ConditionError)) throw thrown
      const brace = nextBlock(reader.text, thrown.offset)
      if (brace === undefined) throw new SyntaxFault(thrown.offset, thrown.message, thrown.hint)
      reader.at = brace
      this.#report(thrown, { start, end: brace, filler: '1' })
      return undefined
    }
  }

  #pluginBody(name: NameSyntax): PluginSyntax {
    const reader = this.#reader
    const attributes: AttributeSyntax[] = []
    if (this.#open.length > DEPTH_MAX) throw new SyntaxFault(name.start, `expected at most ${DEPTH_MAX} nested plugins`)
    this.#open.push({ what: name.text, start: name.start })
    /** Behind the option that was read before. */
    let end: number | undefined
    for (;;) {
      reader.skip()
      if (reader.take('}') || this.#isBraceMissing()) break
      const start = reader.at
      try {
        if (end !== undefined && this.#isSeparatorOdd(end)) {
          end = undefined
          continue
        }
        const option = this.#attribute(name)
        if (option === 'a plugin') return this.#closed(name, attributes)
        attributes.push(option)
        end = reader.at
      } catch (thrown) {
        if (!(thrown instanceof SyntaxFault)) throw thrown
        const brackets = this.#values.takeOpenBrackets()
        const fault = this.#values.explain(thrown)
        // The option before went too far.
        const begin = fault === thrown || end === undefined ? start : (attributes.pop()?.start ?? start)
        end = undefined
        const from = fault.resume ?? Math.max(start + 1, fault.offset)
        reader.at = nextOption(reader.text, from, fault === thrown ? brackets : [])
        this.#report(fault, { start: begin, end: reader.at })
      }
      if (this.#abandoned) break
    }
    return this.#closed(name, attributes)
  }

  #closed(name: NameSyntax, attributes: readonly AttributeSyntax[]): PluginSyntax {
    if (!this.#abandoned) this.#open.pop()
    return { kind: 'plugin', name, attributes, start: name.start, end: this.#reader.at }
  }

  /** Between options stand blanks. Passes over commas and semicolons, and tells of them. */
  #isSeparatorOdd(end: number): boolean {
    const reader = this.#reader
    const { at, char } = reader
    if (char === ',' || char === ';') {
      reader.at++
      const what = char === ',' ? 'comma' : 'semicolon'
      const hint = `options are separated by blanks or lines: leave the ${what} out`
      this.#report(new SyntaxFault(at, `expected an option or }, found "${char}"`, hint), { start: at, end: reader.at })
      return true
    }
    if (!BLANK.test(reader.text[end] ?? ' ')) {
      const hint = reader.text[end] === '#' ? 'put a blank before the #' : 'put a blank before it'
      const fault = new SyntaxFault(at, `expected a blank after the value before, found ${reader.found}`, hint)
      if (this.#values.isTextTooLong(at)) throw fault
      this.#report(fault, undefined)
    }
    return false
  }

  /** One option; or the word that it is a plugin, whose predecessor lacks its brace. */
  #attribute(owner: NameSyntax): AttributeSyntax | 'a plugin' {
    const reader = this.#reader
    const name = this.#name(`an option of ${owner.text} or }`)
    reader.skip()
    if (reader.char === '{' && this.#isOutside(name.start, owner.start)) {
      const { line } = this.#source.position(owner.start)
      const hint = `if ${name.text} is a plugin, the } of ${owner.text} in line ${line} is missing before it`
      this.#report(arrowFault(reader, name.text, hint), undefined)
      reader.at = name.start
      return 'a plugin'
    }
    this.#values.arrow(name.text, owner.text === 'else' ? LONE_ELSE : `write ${name.text} => { … }`)
    reader.skip()
    const value = this.#values.read()
    return { kind: 'attribute', name, value, start: name.start, end: value.end }
  }

  /** Whether something begins its line no further to the right than the plugin it would stand in. */
  #isOutside(start: number, owner: number): boolean {
    const { line, column } = this.#source.position(start)
    const around = this.#source.position(owner)
    const isFirst = this.#reader.text.slice(start - column + 1, start).trim() === ''
    return line > around.line && isFirst && column <= around.column
  }

  #name(expected: string): NameSyntax {
    const name = this.#values.name()
    if (name === undefined) throw nameFault(this.#reader, expected)
    return name
  }

  #report(fault: SyntaxFault | ConditionError, damage: Fault['damage']): void {
    this.#faults.push({ offset: fault.offset, message: fault.message, hint: fault.hint, damage })
  }
}
