// Writes docs/components/*.md and config/pipeline.schema.json from the component specs, docs/lint.md from the rules,
// and docs/substitutes.md from the table of plugins that are not here.
//   node scripts/generate-docs.ts            writes them
//   node scripts/generate-docs.ts --check    fails when what is there is not what would be written
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { RULES } from '../src/cli/lint/lint-config.ts'
import { loadCatalog } from '../src/components.ts'
import { componentPage, indexPage, pageName } from './generate/component-page.ts'
import { lintPage } from './generate/lint-page.ts'
import { pipelineSchema } from './generate/pipeline-schema.ts'
import { substitutesPage } from './generate/substitutes-page.ts'

const root = join(import.meta.dirname, '..')
const pages = join(root, 'docs', 'components')
const isCheck = process.argv.includes('--check')

const catalog = await loadCatalog()
const specs = (['input', 'filter', 'output', 'codec'] as const).flatMap((kind) => catalog.all(kind))
const wanted = new Map<string, string>([
  [join(root, 'config', 'pipeline.schema.json'), `${JSON.stringify(pipelineSchema(catalog), null, 2)}\n`],
  [join(root, 'docs', 'lint.md'), lintPage(RULES)],
  [join(root, 'docs', 'substitutes.md'), substitutesPage()],
  [join(pages, 'README.md'), indexPage(specs)],
  ...specs.map((spec): [string, string] => [join(pages, pageName(spec)), componentPage(spec)]),
])

mkdirSync(pages, { recursive: true })
const present = readdirSync(pages).map((name) => join(pages, name))
const superfluous = present.filter((file) => !wanted.has(file))
const stale = [...wanted].filter(([file, text]) => readOrEmpty(file) !== text)

if (isCheck) {
  for (const file of [...superfluous, ...stale.map(([name]) => name)]) console.error(`${file} is not what the specs say`)
  if (superfluous.length + stale.length > 0) {
    console.error('run npm run generate')
    process.exitCode = 1
  }
} else {
  for (const file of superfluous) rmSync(file)
  for (const [file, text] of stale) writeFileSync(file, text)
  console.error(`${wanted.size} files, ${stale.length} written, ${superfluous.length} removed`)
}

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
