import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import pLimit from 'p-limit'
import { expect, test } from 'vitest'
import { DeadLetterBox } from '../../src/runtime/dead-letter-box.ts'
import { testContext } from '../helpers/context.ts'
import { Program } from '../helpers/program.ts'
import { temporaryFolder } from '../helpers/temporary-folder.ts'
import { type Case, configOf, DATABASES, needsDatabases, readCases, wasRunWithEscapes } from './cases.ts'
import { compareOutputs } from './compare.ts'
import { runUnchanged } from './run-cases.ts'

const AT_A_TIME = 3
const hasDatabases = existsSync(DATABASES)

/** One case in ten of those that a pipe can feed and whose output is JSON. */
const CASES = readCases(import.meta.dirname)
  .filter((recorded) => /stdin/.test(recorded.config) && /stdout \{ codec => json_lines \}/.test(recorded.config))
  .filter((recorded) => hasDatabases || !needsDatabases(recorded))
  .filter((_recorded, index) => index % 10 === 0)

test(`bin/millrace does with ${CASES.length} configs what the runner does`, { timeout: 300_000 }, async () => {
  await using folder = await temporaryFolder()
  const context = testContext()
  await using deadLetters = await DeadLetterBox.open(folder.path, context.metrics, context.log)
  const limit = pLimit(AT_A_TIME)
  const outcomes = CASES.map((recorded, index) =>
    limit(async () => {
      const file = join(folder.path, `${index}.conf`)
      await writeFile(file, configOf(recorded, DATABASES))
      const [program, own] = [await runProgram(recorded, file), await runUnchanged(recorded, DATABASES, deadLetters, Date.now())]
      expect.soft(program.code, recorded.name).toBe(own.refused === undefined ? 0 : 1)
      const { difference } = compareOutputs({
        expected: withoutClock(own.output),
        actual: withoutClock(program.output),
        input: recorded.input.join('\n'),
        volatile: recorded.volatile,
        now_ms: Date.now(),
      })
      expect.soft(difference, recorded.name).toBeUndefined()
    }),
  )
  await Promise.all(outcomes)
})

async function runProgram(recorded: Case, file: string): Promise<{ readonly code: number | null; readonly output: string }> {
  const args = ['-f', file, '--pipeline.ecs_compatibility', recorded.ecs_compatibility, '--log.level', 'error']
  if (wasRunWithEscapes(recorded)) args.push('--config.support_escapes', 'true')
  const stdin = Buffer.concat(recorded.input.flatMap((line) => [line, Buffer.from('\n')]))
  await using program = await Program.spawn({ args, stdin })
  const { code } = await program.exited
  const lines = program.stdout.split('\n').filter((line) => line !== '')
  return { code, output: lines.map(withoutHost).join('\n') }
}

/** The program's stdin input names the machine, the recorder did not. */
function withoutHost(line: string): string {
  const name = JSON.stringify(hostname())
  return line
    .replace(`"host":{"hostname":${name}}`, '"host":null')
    .replace(`"host":${name}`, '"host":null')
    .replace(/,"host":null|"host":null,/, '')
}

/** Times of the last hour are those of the two runs. */
function withoutClock(output: string): string {
  return output.replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3,9}Z/g, (text) =>
    Math.abs(Date.now() - Date.parse(text)) < 3_600_000 ? 'now' : text,
  )
}
