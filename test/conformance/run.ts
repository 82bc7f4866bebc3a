import { existsSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { DATABASES } from './cases.ts'
import { runCases, summaryOf } from './run-cases.ts'

// npm run conformance -- [DIR] [--only TEXT]… [--json]: README.md says what it prints.
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: 'string', multiple: true, default: [] }, json: { type: 'boolean', default: false } },
})
const results = await runCases({
  folder: positionals[0] ?? import.meta.dirname,
  only: values.only,
  databases: existsSync(DATABASES) ? DATABASES : undefined,
})
for (const { name, verdict } of results) {
  if (values.json) process.stdout.write(`${JSON.stringify({ name, ...verdict })}\n`)
  else if (verdict.kind === 'failed') process.stdout.write(`FAILED ${name}\n${verdict.difference}\n\n`)
}
const summary = summaryOf(results)
process.stdout.write(values.json ? `${JSON.stringify(summary)}\n` : `${summary.text}\n`)
if (results.length === 0)
  process.stderr.write('no case was found: expected *.jsonl in the folder, and names with the text of --only\n')
process.exitCode = summary.failed > 0 || results.length === 0 ? 1 : 0
