import { readFile } from 'node:fs/promises'
import { extname } from 'node:path'
import { ConfigError, messageOf } from '../core/errors.ts'
import { type ReadPlan, readWhatIsThere } from './pipeline-json/read-pipeline.ts'
import type { Variables } from './variables.ts'

/**
 * Reads a config file: what could be read of it, and what is wrong beside that.
 * @throws ConfigError for a file that cannot be read at all
 */
export async function loadConfig(file: string, variables: Variables): Promise<ReadPlan> {
  const at = { file, line: 1, column: 1 }
  if (!['.json', '.jsonc'].includes(extname(file))) {
    throw new ConfigError([
      { code: 'CONFIG_FILE_UNREADABLE', at, message: 'expected a pipeline.json (a name that ends in .json or .jsonc)' },
    ])
  }
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (thrown) {
    const hint = 'name a config file with -f FILE'
    throw new ConfigError([{ code: 'CONFIG_FILE_UNREADABLE', at, message: messageOf(thrown), hint }], { cause: thrown })
  }
  return readWhatIsThere(text.replace(/^\uFEFF/, ''), file, variables)
}
