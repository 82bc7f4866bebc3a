import { SourceText } from '../source-text.ts'
import { describeFaults } from './logstash-words.ts'
import { type LoweredConf, type LowerOptions, lowerConf } from './lower.ts'
import { parseConf } from './parser.ts'

/** Reads one text of a `logstash.conf`: what could be read of it, and everything that is wrong beside that. */
export function readConf(text: string, file: string, options: LowerOptions): LoweredConf {
  const source = new SourceText(file, text)
  const { syntax, faults } = parseConf(source)
  const lowered = lowerConf(syntax, options)
  return { ...lowered, problems: [...describeFaults(source, faults), ...lowered.problems] }
}
