import { readFile } from 'node:fs/promises'
import { ConfigError, messageOf, type Position, type Problem } from '../core/errors.ts'

export function startOf(file: string): Position {
  return { file, line: 1, column: 1 }
}

export function unreadable(file: string, message: string, hint?: string, cause?: unknown): ConfigError {
  const problem: Problem = { code: 'CONFIG_FILE_UNREADABLE', at: startOf(file), message, ...(hint === undefined ? {} : { hint }) }
  return new ConfigError([problem], { cause })
}

/**
 * The text of a file. A byte order mark stays: whether it may be there is for the language to say.
 * @throws ConfigError for a file that cannot be read or is not UTF-8
 */
export async function readText(file: string): Promise<string> {
  let bytes: Buffer
  try {
    bytes = await readFile(file)
  } catch (thrown) {
    throw unreadable(file, messageOf(thrown), undefined, thrown)
  }
  try {
    return new TextDecoder('utf8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (thrown) {
    throw unreadable(file, 'expected UTF-8, found other bytes', `save it as UTF-8: iconv -f latin1 -t utf8 ${file}`, thrown)
  }
}
