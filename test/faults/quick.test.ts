import { describe, expect, test } from 'vitest'
import { expectEachOnce } from './log-lines.ts'
import { SCENARIOS } from './scenarios.ts'
import { QUICK, Servers, Stage } from './stage.ts'

/** The same each time, so that who changed nothing breaks nothing; the environment may name another. */
const SEED = Number(process.env['MILLRACE_FAULTS_SEED'] ?? 1)
const quick = SCENARIOS.filter(({ is_full_only }) => is_full_only !== true)

// The programs wait more than they work.
describe.concurrent('nothing is lost or doubled, and the books balance', () => {
  test.each(quick)(
    `$letter $title (MILLRACE_FAULTS_SEED=${SEED})`,
    async ({ run }) => {
      const figures = await run(new Stage(QUICK, SEED, new Servers()))
      expect(Object.keys(figures)).not.toHaveLength(0)
    },
    300_000,
  )
})

test.each([
  ['one missing', ['a', 'b'], ['b'], '1 missing, 0 doubled, 0 unknown of 2: a'],
  ['one twice', ['a', 'b'], ['b', 'a', 'b'], '0 missing, 1 doubled, 0 unknown of 2: b'],
  ['one made up', ['a'], ['a', 'c'], '0 missing, 0 doubled, 1 unknown of 1: c'],
])('the suite sees %s', (_name, sent, found, message) => {
  expect(() => expectEachOnce('the documents', sent, found)).toThrow(message)
})
