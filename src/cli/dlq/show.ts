import { pipeline } from 'node:stream/promises'
import { messageOf } from '../../core/errors.ts'
import { type Choice, chosenLetters, DamageReport } from './choice.ts'

/** Prints letters as NDJSON, oldest first. What is damaged or missing is told on stderr; then the exit code is 1. */
export async function showDeadLetters(choice: Choice, limit: number): Promise<number> {
  const damage = new DamageReport()
  let count = 0
  async function* lines(): AsyncGenerator<string> {
    if (limit === 0) return
    for await (const letter of chosenLetters(choice, damage)) {
      yield `${letter.line()}\n`
      if (++count === limit) return
    }
  }
  try {
    await pipeline(lines, process.stdout, { end: false })
  } catch (thrown) {
    // Who read our output (head, a pager) has seen enough.
    if ((thrown as NodeJS.ErrnoException).code === 'EPIPE') return 0
    process.stderr.write(`dlq show: ${messageOf(thrown)}\n`)
    return 1
  }
  if (count === 0) process.stderr.write(`no ${isAll(choice) ? '' : 'such '}dead letters in ${choice.folder}\n`)
  return damage.found ? 1 : 0
}

function isAll({ group, holds }: Choice): boolean {
  return group === undefined && holds === undefined
}
