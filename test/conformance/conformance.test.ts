import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { DATABASES } from './cases.ts'
import { runCases, summaryOf } from './run-cases.ts'

/** Cases that differ without being of a class, each with the reason. At most one in a hundred. */
const DIFFERING: { readonly [name: string]: string } = {}

test('configs do what Logstash did with them', { timeout: 120_000 }, async () => {
  const databases = existsSync(DATABASES) ? DATABASES : undefined
  const results = await runCases({ folder: import.meta.dirname, only: [], databases })
  const { passed, failed } = summaryOf(results)
  expect(passed + failed).toBeGreaterThan(300)
  const differing = results.filter(({ name, verdict }) => verdict.kind === 'failed' && DIFFERING[name] === undefined)
  expect(differing).toEqual([])
  expect(failed).toBeLessThanOrEqual((passed + failed) / 100)
})
