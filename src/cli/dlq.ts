import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { messageOf } from '../core/errors.ts'
import { deadLettersFolder, readDeadLetters } from '../storage/dead-letters.ts'
import { readFlags, type Tool, UsageError } from './tool.ts'

export const dlq: Tool = {
  usage: `bin/millrace dlq show: print the dead letters as NDJSON, oldest first

      --path.data DIR    where the program keeps its data    (data)
`,
  run: async (words) => {
    const { values, positionals } = readFlags(words, {
      'path.data': { type: 'string', default: process.env['MILLRACE_DATA'] ?? 'data' },
    })
    if (positionals.join(' ') !== 'show') throw new UsageError(`expected dlq show, got dlq ${positionals.join(' ')}`)
    return await showDeadLetters(values['path.data'])
  },
}

/** Prints all dead letters as NDJSON, oldest first. What is damaged or missing is told on stderr; then the exit code is 1. */
async function showDeadLetters(data: string): Promise<number> {
  const folder = deadLettersFolder(resolve(data))
  if (!(await isFolder(resolve(data)))) {
    process.stderr.write(`there is no data folder ${resolve(data)}: name it with --path.data DIR\n`)
    return 1
  }
  let damaged = false
  let count = 0
  const letters = readDeadLetters(folder, (path, torn_bytes, why) => {
    damaged = true
    process.stderr.write(`${path}: ${why}; ${torn_bytes} bytes were passed over\n`)
  })
  async function* lines(): AsyncGenerator<string> {
    for await (const letter of letters) {
      count++
      yield `${letter}\n`
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
  if (count === 0) process.stderr.write(`no dead letters in ${folder}\n`)
  return damaged ? 1 : 0
}

async function isFolder(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
}
