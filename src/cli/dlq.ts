import { once } from 'node:events'
import { resolve } from 'node:path'
import { DeadLetterBox } from '../runtime/dead-letter-box.ts'
import { readDeadLetters } from '../storage/dead-letters.ts'
import type { DlqShowCommand } from './arguments.ts'

/** Prints all dead letters as NDJSON, oldest first. Damaged places are told on stderr; then the exit code is 1. */
export async function showDeadLetters({ data }: DlqShowCommand): Promise<number> {
  let damaged = false
  const letters = readDeadLetters(DeadLetterBox.folder(resolve(data)), (path, torn_bytes, why) => {
    damaged = true
    process.stderr.write(`${path}: ${why}; ${torn_bytes} bytes were passed over\n`)
  })
  for await (const letter of letters) {
    if (!process.stdout.write(`${letter}\n`)) await once(process.stdout, 'drain')
  }
  return damaged ? 1 : 0
}
