import type { Condition } from '../../core/condition.ts'
import type { ConfigCode, Position, Problem } from '../../core/errors.ts'
import type { ComponentNode, ConfigValue, OptionNode, Plan, PlanNode, PlanWarning } from '../../core/plan.ts'
import { lowerCondition, surprises } from '../condition-syntax.ts'
import { refine, substituteVariables, type Variables } from '../variables.ts'
import { mergeOptions } from './merge-options.ts'
import type {
  ArmSyntax,
  AttributeSyntax,
  BranchSyntax,
  ConfigSyntax,
  EntrySyntax,
  PluginSyntax,
  SectionName,
  StatementSyntax,
  ValueSyntax,
} from './syntax.ts'

export interface LowerOptions {
  readonly variables: Variables
  /** `config.support_escapes`: whether `\n \r \t \0 \" \' \\` in texts mean what they mean elsewhere. */
  readonly support_escapes?: boolean | undefined
  /** Leaves `${VAR}` as it is written: for who writes the config down again. */
  readonly keeps_variables?: boolean
}

/** What one text says, as parts of a plan. */
export interface LoweredConf extends Pick<Plan, 'inputs' | 'filters' | 'outputs' | 'warnings'> {
  readonly problems: readonly Problem[]
  /** Which sections the text has, also empty ones. */
  readonly sections: ReadonlySet<SectionName>
}

const ANY_CONDITION: Condition = { kind: 'truthy', operand: { kind: 'string', value: '' } }

/** Turns the tree of a `logstash.conf` into parts of a plan: variables resolved, repeated options merged. */
export function lowerConf(syntax: ConfigSyntax, options: LowerOptions): LoweredConf {
  return new Lowering(syntax, options).lower()
}

class Lowering {
  readonly #syntax: ConfigSyntax
  readonly #options: LowerOptions
  readonly #problems: Problem[] = []
  readonly #warnings: PlanWarning[] = []
  #section: SectionName = 'input'

  constructor(syntax: ConfigSyntax, options: LowerOptions) {
    this.#syntax = syntax
    this.#options = options
  }

  lower(): LoweredConf {
    const nodes: { [name in SectionName]: PlanNode[] } = { input: [], filter: [], output: [] }
    for (const section of this.#syntax.sections) {
      this.#section = section.name
      nodes[section.name].push(...this.#statements(section.statements))
    }
    const { input: inputs, filter: filters, output: outputs } = nodes
    const sections = new Set(this.#syntax.sections.map(({ name }) => name))
    return { inputs, filters, outputs, warnings: this.#warnings, problems: this.#problems, sections }
  }

  #statements(statements: readonly StatementSyntax[]): PlanNode[] {
    return statements.flatMap((statement) => (statement.kind === 'plugin' ? [this.#plugin(statement)] : this.#branch(statement)))
  }

  /** `else if` becomes an if inside the else. */
  #branch({ arms }: BranchSyntax): readonly PlanNode[] {
    return arms.reduceRight<readonly PlanNode[]>((rest, arm) => {
      const then = this.#statements(arm.statements)
      if (arm.keyword === 'else') return then
      return [{ kind: 'if', at: this.#at(arm.start), condition: this.#condition(arm), then, else: rest }]
    }, [])
  }

  /** A condition that was refused stands for any other, so that what hangs on it is looked at too. */
  #condition({ condition }: ArmSyntax): Condition {
    if (condition === undefined) return ANY_CONDITION
    for (const { start, end } of surprises(condition)) {
      const message = `${this.#syntax.source.text.slice(start, end)}: of several and before an or Logstash joins the last one first, and so do we; parentheses make it plain`
      this.#warnings.push({ at: this.#at(start), message })
    }
    return lowerCondition(condition, (value, range) => this.#substitute(this.#unescape(value), range.start))
  }

  #plugin({ name, attributes, start }: PluginSyntax): ComponentNode {
    const codecs = attributes.filter((attribute) => attribute.name.text === 'codec')
    if (codecs.length > 1) {
      const at = this.#at(start)
      this.#problem(
        'CONFIG_INVALID_OPTION',
        codecs[1]?.start ?? start,
        `The ${this.#section} plugin ${name.text} at line ${at.line} has multiple codec declarations`,
        'one plugin has one codec',
      )
    }
    const options = mergeOptions(attributes.map((attribute) => this.#option(attribute)))
    return { kind: 'component', at: this.#at(start), name: name.text, options }
  }

  #option({ name, value }: AttributeSyntax): OptionNode {
    return { name: name.text, at: this.#at(name.start), value: this.#value(value) }
  }

  #value(value: ValueSyntax): ConfigValue {
    const at = this.#at(value.start)
    switch (value.kind) {
      case 'plugin':
        return this.#plugin(value)
      case 'bareword':
        return { kind: 'string', at, value: value.text }
      case 'number':
        return { kind: 'number', at, value: Number(value.text), text: value.text }
      case 'string':
        return this.#text(value.text, value.start)
      case 'array': {
        const items = value.items.flatMap((item) => {
          const lowered = this.#value(item)
          // A variable that holds a list, inside a list: its elements are meant.
          return item.kind === 'string' && lowered.kind === 'list' ? lowered.items : [lowered]
        })
        return { kind: 'list', at, items }
      }
      case 'hash':
        return { kind: 'hash', at, entries: this.#entries(value.entries, value.start) }
    }
  }

  #text(text: string, start: number): ConfigValue {
    const at = this.#at(start)
    const value = this.#substitute(this.#unescape(text), start)
    const refined = text.includes('${') && this.#options.keeps_variables !== true ? refine(value) : value
    if (typeof refined === 'string') return { kind: 'string', at, value: refined }
    return { kind: 'list', at, items: refined.map((item) => ({ kind: 'string', at, value: item })) }
  }

  #entries(entries: readonly EntrySyntax[], start: number): OptionNode[] {
    const { source } = this.#syntax
    const written = entries.map(({ key }) => source.text.slice(key.start, key.end))
    const repeated = new Set(written.filter((key, index) => written.indexOf(key) < index))
    if (repeated.size > 0) {
      const { line, column } = this.#at(start)
      this.#problem(
        'CONFIG_STRUCTURE',
        start,
        `Duplicate keys found in your configuration: [${[...repeated].join(', ')}] At line: ${line}, column ${column} (byte ${start + 1})`,
        'write each key once; a list as its value keeps both: key => ["a", "b"]',
      )
    }
    const options = new Map<string, OptionNode>()
    for (const { key, value } of entries) {
      const name = this.#unescape(key.text)
      options.set(name, { name, at: this.#at(key.start), value: this.#value(value) })
    }
    return [...options.values()]
  }

  #unescape(text: string): string {
    if (this.#options.support_escapes !== true) return text
    return text.replace(/\\([\s\S])/g, (escape, char: string) => ESCAPES[char] ?? escape)
  }

  #substitute(text: string, start: number): string {
    if (this.#options.keeps_variables === true) return text
    return substituteVariables(text, this.#options.variables, (name) => {
      this.#problem(
        'CONFIG_UNRESOLVED_VARIABLE',
        start,
        `Cannot evaluate \`\${${name}}\`. Replacement variable \`${name}\` is not defined in a Logstash secret store or as an Environment entry and there is no default value given.`,
        `set the environment variable, or write \${${name}:default}`,
      )
    })
  }

  #problem(code: ConfigCode, offset: number, message: string, hint: string): void {
    this.#problems.push({ code, at: this.#at(offset), message, hint })
  }

  #at(offset: number): Position {
    return this.#syntax.source.position(offset)
  }
}

const ESCAPES: { readonly [char: string]: string } = { n: '\n', r: '\r', t: '\t', 0: '\0', '"': '"', "'": "'", '\\': '\\' }
