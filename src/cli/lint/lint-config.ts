import type { ConfigSyntax } from '../../config/logstash-conf/syntax.ts'
import type { Catalog } from '../../core/component.ts'
import type { Position } from '../../core/errors.ts'
import { type Fix, LintedConfig, type Rule } from './rule.ts'
import { andsBeforeOr, oneElementList, unguardedComparison } from './rules/conditions.ts'
import { dayOfYear, javaWeekYear, weekOfYear } from './rules/dates.ts'
import { exponentialRegex, unanchoredGrok } from './rules/patterns.ts'
import { hashOrder, mutateOrder, oldOptionName, plaintextPassword, unconditionalOutput } from './rules/plugins.ts'

/** All rules, in the order of docs/lint.md. */
export const RULES: readonly Rule[] = [
  oneElementList,
  unguardedComparison,
  andsBeforeOr,
  dayOfYear,
  weekOfYear,
  javaWeekYear,
  exponentialRegex,
  unanchoredGrok,
  unconditionalOutput,
  mutateOrder,
  hashOrder,
  plaintextPassword,
  oldOptionName,
]

export interface LintFinding {
  readonly rule: string
  readonly at: Position
  readonly message: string
  readonly hint: string
  readonly fix?: Fix
}

/** What the rules find in one file, in its order, without what a comment allows. */
export function lintConfig(syntax: ConfigSyntax, catalog: Catalog, files: number): LintFinding[] {
  const config = new LintedConfig(syntax, catalog, files)
  const allowed = allowances(syntax)
  return RULES.flatMap((rule) =>
    rule.check(config).map(({ start, message, hint, fix }): LintFinding => {
      const at = syntax.source.position(start)
      return { rule: rule.name, at, message, hint, ...(fix === undefined ? {} : { fix }) }
    }),
  )
    .filter(({ rule, at }) => !allowed.has(`${at.line} ${rule}`))
    .sort((a, b) => a.at.line - b.at.line || a.at.column - b.at.column)
}

/** `# lint: allow RULE RULE`: for its own line and the next one. */
function allowances({ comments, source }: ConfigSyntax): Set<string> {
  const allowed = new Set<string>()
  for (const { start, text } of comments) {
    const names = /^#\s*lint:\s*allow\s+(.+)$/.exec(text)?.[1]?.split(/[\s,]+/) ?? []
    const { line } = source.position(start)
    for (const name of names) allowed.add(`${line} ${name}`).add(`${line + 1} ${name}`)
  }
  return allowed
}

/** The text with all fixes made; of two that overlap, the first one. */
export function applyFixes(text: string, findings: readonly LintFinding[]): string {
  const fixes = findings.flatMap(({ fix }) => fix ?? []).toSorted((a, b) => a.start - b.start)
  let fixed = ''
  let at = 0
  for (const { start, end, text: replacement } of fixes) {
    if (start < at) continue
    fixed += text.slice(at, start) + replacement
    at = end
  }
  return fixed + text.slice(at)
}
