import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { DATABASES } from './cases.ts'
import { runCases, summaryOf } from './run-cases.ts'

const NO_MULTILINE = 'The codec multiline is not there yet.'

/** Cases that may differ without being of a class, with the reason. At most one in a hundred. */
const DIFFERING: { readonly [name: string]: string } = {
  'codec-multiline/java@v8': NO_MULTILINE,
  'codec-multiline/java@disabled': NO_MULTILINE,
  'codec-multiline/negate': NO_MULTILINE,
  'codec-multiline/next': NO_MULTILINE,
}

test('configs do what Logstash did with them', { timeout: 120_000 }, async () => {
  const databases = existsSync(DATABASES) ? DATABASES : undefined
  const results = await runCases({ folder: import.meta.dirname, only: [], databases })
  const { passed, failed } = summaryOf(results)
  expect(passed + failed).toBeGreaterThan(300)
  const differing = results.filter(({ name, verdict }) => verdict.kind === 'failed' && DIFFERING[name] === undefined)
  expect(differing).toEqual([])
  expect(failed).toBeLessThanOrEqual((passed + failed) / 100)
})
