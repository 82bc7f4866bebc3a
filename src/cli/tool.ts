import { type ParseArgsConfig, parseArgs } from 'node:util'
import { messageOf } from '../core/errors.ts'

/** The command line was not understood. */
export class UsageError extends Error {}

/** A command beside `run`: `bin/millrace NAME …`. */
export interface Tool {
  /** What `bin/millrace NAME --help` prints. */
  readonly usage: string
  /**
   * Runs it with the words behind its name and returns the exit code.
   * @throws UsageError
   */
  run(words: readonly string[]): Promise<number>
}

/**
 * Reads flags and what stands between them.
 * @throws UsageError
 */
export function readFlags<const T extends NonNullable<ParseArgsConfig['options']>>(words: readonly string[], options: T) {
  try {
    return parseArgs({ args: [...words], allowPositionals: true, options })
  } catch (thrown) {
    throw new UsageError(messageOf(thrown), { cause: thrown })
  }
}
