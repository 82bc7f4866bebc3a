import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { readText } from '../read-file.ts'
import type { Variables } from '../variables.ts'
import { type CheckedSettings, checkSettings, type Settings, stack } from './layer.ts'
import { readLogstashYml } from './read-yml.ts'

/** Flags on top of the `logstash.yml` of a folder, if it has one. */
export async function loadSettings(folder: string | undefined, flags: Settings, variables: Variables): Promise<CheckedSettings> {
  const file = folder === undefined ? undefined : join(folder, 'logstash.yml')
  const checkedFlags = checkSettings(flags, 'program')
  if (file === undefined || !existsSync(file)) return checkedFlags
  const read = readLogstashYml(await readText(file), file, variables)
  const checked = checkSettings(read.content, 'program')
  return {
    settings: stack(checked.settings, checkedFlags.settings),
    problems: [...read.problems, ...checked.problems, ...checkedFlags.problems],
    warnings: [...checked.warnings, ...checkedFlags.warnings],
  }
}
