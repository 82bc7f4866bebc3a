import { ConfigError, type Problem } from '../../core/errors.ts'
import { findFiles } from '../find-files.ts'
import { readText, unreadable } from '../read-file.ts'
import { SourceText, withSourceLines } from '../source-text.ts'
import { describeFaults } from './logstash-words.ts'
import { parseConf } from './parser.ts'
import type { ConfigSyntax } from './syntax.ts'

/**
 * The trees of all files that a path stands for: for tools that look at what is written.
 * @throws ConfigError where there is no file, one is a pipeline.json, or one is not sound
 */
export async function readSyntax(path: string): Promise<ConfigSyntax[]> {
  const { files } = await findFiles(path)
  if (files.length === 0) throw unreadable(path, `No config files found in path: ${path}`)
  const problems: Problem[] = []
  const trees: ConfigSyntax[] = []
  for (const file of files) {
    if (/\.jsonc?$/.test(file)) throw unreadable(file, 'expected a logstash.conf, got a pipeline.json')
    const source = new SourceText(file, await readText(file))
    const { syntax, faults } = parseConf(source)
    trees.push(syntax)
    problems.push(...describeFaults(source, faults))
  }
  if (problems.length > 0) {
    throw new ConfigError(
      withSourceLines(
        problems,
        trees.map((tree) => tree.source),
      ),
    )
  }
  return trees
}
