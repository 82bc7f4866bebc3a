import type { ConditionSyntax } from '../condition-syntax.ts'
import type { SourceText } from '../source-text.ts'
import type { Comment, Range } from '../text-reader.ts'

/**
 * The text of one `logstash.conf` as a tree. Every node knows where it starts and ends in `source.text`, so what it was
 * written as is `source.text.slice(start, end)`; what stands between nodes is blanks and `comments`.
 */
export interface ConfigSyntax extends Range {
  readonly kind: 'config'
  readonly source: SourceText
  readonly sections: readonly SectionSyntax[]
  /** All of the text, in its order. */
  readonly comments: readonly Comment[]
}

export type SectionName = 'input' | 'filter' | 'output'

/** `filter { … }`. A text may have several of one name. */
export interface SectionSyntax extends Range {
  readonly kind: 'section'
  readonly name: SectionName
  readonly statements: readonly StatementSyntax[]
}

export type StatementSyntax = PluginSyntax | BranchSyntax

/** `mutate { … }`, also as a value: `codec => json { … }`. */
export interface PluginSyntax extends Range {
  readonly kind: 'plugin'
  readonly name: NameSyntax
  readonly attributes: readonly AttributeSyntax[]
}

/** A name, without its quotes in `text`. */
export interface NameSyntax extends Range {
  readonly kind: 'name'
  readonly text: string
}

/** `port => 5044`. */
export interface AttributeSyntax extends Range {
  readonly kind: 'attribute'
  readonly name: NameSyntax
  readonly value: ValueSyntax
}

export type ValueSyntax =
  | PluginSyntax
  | (Range & { readonly kind: 'bareword'; readonly text: string })
  /** `text` is what stands between the quotes, escapes and variables untouched. */
  | StringSyntax
  | (Range & { readonly kind: 'number'; readonly text: string })
  | (Range & { readonly kind: 'array'; readonly items: readonly ValueSyntax[] })
  | (Range & { readonly kind: 'hash'; readonly entries: readonly EntrySyntax[] })

export interface StringSyntax extends Range {
  readonly kind: 'string'
  readonly quote: '"' | "'"
  readonly text: string
}

/** `"key" => value` in a hash. The key's `text` is without quotes. */
export interface EntrySyntax extends Range {
  readonly kind: 'entry'
  readonly key: NameSyntax
  readonly value: ValueSyntax
}

/** `if … { … } else if … { … } else { … }`. */
export interface BranchSyntax extends Range {
  readonly kind: 'branch'
  /** First the `if`, last maybe the `else`. */
  readonly arms: readonly ArmSyntax[]
}

/** One part of a branch, from its `if` or `else` to its brace. */
export interface ArmSyntax extends Range {
  readonly kind: 'arm'
  readonly keyword: 'if' | 'else if' | 'else'
  /** None for else, and where it could not be read. */
  readonly condition: ConditionSyntax | undefined
  readonly statements: readonly StatementSyntax[]
}
