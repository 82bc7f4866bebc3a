import { readFile } from 'node:fs/promises'
import { ConfigError, messageOf, type Problem } from '../../core/errors.ts'
import { findFiles } from '../find-files.ts'
import { SourceText } from '../source-text.ts'
import { parseConf } from './parser.ts'
import type { ConfigSyntax } from './syntax.ts'

/**
 * The trees of all files that a path stands for: for tools that look at what is written.
 * @throws ConfigError where there is no file, one is a pipeline.json, or one is not sound
 */
export async function readSyntax(path: string): Promise<ConfigSyntax[]> {
  const { files } = await findFiles(path)
  if (files.length === 0) throw refused(path, `No config files found in path: ${path}`)
  const problems: Problem[] = []
  const trees: ConfigSyntax[] = []
  for (const file of files) {
    if (/\.jsonc?$/.test(file)) throw refused(file, 'expected a logstash.conf, got a pipeline.json')
    const source = new SourceText(file, await readText(file))
    const { syntax, faults } = parseConf(source)
    trees.push(syntax)
    for (const { offset, message, hint } of faults) {
      problems.push({ code: 'CONFIG_SYNTAX', at: source.position(offset), message, ...(hint === undefined ? {} : { hint }) })
    }
  }
  if (problems.length > 0) throw new ConfigError(problems)
  return trees
}

async function readText(file: string): Promise<string> {
  try {
    return new TextDecoder('utf8', { fatal: true, ignoreBOM: true }).decode(await readFile(file))
  } catch (thrown) {
    throw refused(file, messageOf(thrown))
  }
}

function refused(file: string, message: string): ConfigError {
  return new ConfigError([{ code: 'CONFIG_FILE_UNREADABLE', at: { file, line: 1, column: 1 }, message }])
}
