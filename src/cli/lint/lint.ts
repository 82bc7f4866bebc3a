import { writeFile } from 'node:fs/promises'
import { styleText } from 'node:util'
import { loadCatalog } from '../../components.ts'
import { parseConf } from '../../config/logstash-conf/parser.ts'
import { readSyntax } from '../../config/logstash-conf/read-files.ts'
import type { ConfigSyntax } from '../../config/logstash-conf/syntax.ts'
import { SourceText } from '../../config/source-text.ts'
import type { Catalog } from '../../core/component.ts'
import { formatPosition } from '../../core/errors.ts'
import { readFlags, type Tool, UsageError } from '../tool.ts'
import { applyFixes, type LintFinding, lintConfig } from './lint-config.ts'

interface LintCommand {
  readonly path: string
  readonly is_json: boolean
  readonly fixes: boolean
}

export const lint: Tool = {
  usage: `bin/millrace lint FILE: tell of habits in a logstash.conf that work out badly (docs/lint.md lists them)

FILE may be a folder or a glob, whose files are one pipeline. Exit code 1 where something was found.
A comment "# lint: allow RULE" on the line or the one before keeps quiet about it.

      --fix    rewrite the files where a rule knows how; comments and layout stay
      --json   one JSON object per finding, for machines
`,
  run: async (words) => {
    const { values, positionals } = readFlags(words, {
      'path.config': { type: 'string', short: 'f' },
      fix: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    })
    const path = values['path.config'] ?? positionals[0]
    if (path === undefined) throw new UsageError('expected a logstash.conf: millrace lint FILE')
    return await lintFiles({ path, is_json: values.json, fixes: values.fix })
  },
}

async function lintFiles({ path, is_json, fixes }: LintCommand): Promise<number> {
  const catalog = await loadCatalog()
  const trees = await readSyntax(path)
  const left: LintFinding[] = []
  let mended = 0
  for (const tree of trees) {
    const findings = lintConfig(tree, catalog, trees.length)
    const rest = fixes ? await fix(tree, findings, catalog, trees.length) : findings
    mended += findings.length - rest.length
    left.push(...rest)
  }
  process.stdout.write(left.map(is_json ? printJson : printText).join(''))
  if (!is_json) process.stdout.write(summary(left.length, mended))
  return left.length === 0 ? 0 : 1
}

/** Rewrites a file and returns the findings that are for a person to mend, where they stand now. */
async function fix(
  tree: ConfigSyntax,
  findings: readonly LintFinding[],
  catalog: Catalog,
  files: number,
): Promise<LintFinding[]> {
  const { file, text } = tree.source
  const fixed = applyFixes(text, findings)
  if (fixed === text) return [...findings]
  await writeFile(file, fixed)
  return lintConfig(parseConf(new SourceText(file, fixed)).syntax, catalog, files)
}

function printText({ rule, at, message, hint }: LintFinding): string {
  const name = styleText('yellow', rule, { stream: process.stdout })
  return `${formatPosition(at)}: ${message} [${name}]\n    ${hint}\n`
}

function printJson({ rule, at, message, hint, fix: mend }: LintFinding): string {
  return `${JSON.stringify({ rule, ...at, message, hint, can_fix: mend !== undefined })}\n`
}

function summary(left: number, mended: number): string {
  const what = left === 1 ? '1 finding' : `${left} findings`
  return mended === 0 ? `${what}\n` : `${what}, ${mended} mended\n`
}
