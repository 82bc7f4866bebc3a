import type { ConditionSyntax } from '../../config/condition-syntax.ts'
import type {
  AttributeSyntax,
  ConfigSyntax,
  PluginSyntax,
  SectionName,
  StatementSyntax,
  StringSyntax,
  ValueSyntax,
} from '../../config/logstash-conf/syntax.ts'
import type { Range } from '../../config/text-reader.ts'
import type { Catalog } from '../../core/component.ts'

/** A habit that works out badly, in configs that are valid. */
export interface Rule {
  /** `one-element-list`: also the name in `# lint: allow one-element-list`. */
  readonly name: string
  /** What goes wrong, for docs/lint.md. */
  readonly summary: string
  /** Configs with the fault and without it: printed in the docs and run as tests. */
  readonly fires: string
  readonly quiet: string
  /** How `fires` looks after `--fix`, for rules that can mend. */
  readonly fixed?: string
  check(config: LintedConfig): Finding[]
}

export interface Finding {
  /** Offset in the text. */
  readonly start: number
  /** What is there and what it leads to. */
  readonly message: string
  /** What to write instead. */
  readonly hint: string
  readonly fix?: Fix
}

/** Text that takes the place of a range. */
export interface Fix extends Range {
  readonly text: string
}

/** A plugin where it stands. */
export interface PlacedPlugin {
  readonly section: SectionName
  readonly plugin: PluginSyntax
  /** Whether it is in some `if`. */
  readonly is_conditional: boolean
}

/** The condition of an `if`, with those that are known to hold where it is asked. */
export interface PlacedCondition {
  readonly condition: ConditionSyntax
  readonly outer: readonly ConditionSyntax[]
}

/** One file of a config, walked through once for all rules. */
export class LintedConfig {
  readonly syntax: ConfigSyntax
  readonly catalog: Catalog
  /** How many files are merged into the pipeline. */
  readonly files: number
  readonly plugins: PlacedPlugin[] = []
  readonly conditions: PlacedCondition[] = []

  constructor(syntax: ConfigSyntax, catalog: Catalog, files: number) {
    this.syntax = syntax
    this.catalog = catalog
    this.files = files
    for (const { name, statements } of syntax.sections) this.#walk(statements, name, [], false)
  }

  /** What stands in a range. */
  textOf({ start, end }: Range): string {
    return this.syntax.source.text.slice(start, end)
  }

  /** Every text in quotes that is a value, in hashes and lists too. */
  get texts(): StringSyntax[] {
    return this.plugins.flatMap(({ plugin }) => plugin.attributes.flatMap(({ value }) => textsIn(value)))
  }

  #walk(
    statements: readonly StatementSyntax[],
    section: SectionName,
    outer: readonly ConditionSyntax[],
    is_conditional: boolean,
  ): void {
    for (const statement of statements) {
      if (statement.kind === 'plugin') {
        this.plugins.push({ section, plugin: statement, is_conditional })
        continue
      }
      for (const { condition, statements: inner } of statement.arms) {
        if (condition !== undefined) this.conditions.push({ condition, outer })
        this.#walk(inner, section, condition === undefined ? outer : [...outer, condition], true)
      }
    }
  }
}

function textsIn(value: ValueSyntax): StringSyntax[] {
  switch (value.kind) {
    case 'string':
      return [value]
    case 'array':
      return value.items.flatMap(textsIn)
    case 'hash':
      return value.entries.flatMap((entry) => textsIn(entry.value))
    case 'plugin':
      return value.attributes.flatMap((attribute) => textsIn(attribute.value))
    default:
      return []
  }
}

/** The attribute of that name, if it is there. */
export function attributeOf(plugin: PluginSyntax, name: string): AttributeSyntax | undefined {
  return plugin.attributes.find((attribute) => attribute.name.text === name)
}

/** All parts of a condition, itself first. */
export function partsOf(condition: ConditionSyntax): ConditionSyntax[] {
  switch (condition.kind) {
    case 'and':
    case 'or':
    case 'xor':
    case 'nand':
      return [condition, ...partsOf(condition.left), ...partsOf(condition.right)]
    case 'not':
      return [condition, ...partsOf(condition.operand)]
    default:
      return [condition]
  }
}
