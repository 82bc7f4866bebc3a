import { plain } from '../../src/codecs/plain.ts'
import type { Sink } from '../../src/core/contracts.ts'
import { Event } from '../../src/core/event.ts'
import { parseJson } from '../../src/core/json/json.ts'
import { type Fields, Timestamp } from '../../src/core/values.ts'
import { elasticsearch } from '../../src/sinks/elasticsearch/elasticsearch.ts'
import { buildOutput } from './build-output.ts'
import type { TestContext } from './context.ts'

/** The output with these options, not opened yet; what is wrong with them becomes a ConfigError. */
export function createElasticsearchSink(options: { readonly [name: string]: unknown }, context?: TestContext): Sink {
  return buildOutput(elasticsearch, [plain], options, context)
}

/** An event that came from `line`, which is its stable id; a document as object or as JSON text. */
export function eventFrom(fields: Fields | string, line?: string): Event {
  const { value, exact } = parseJson(typeof fields === 'string' ? fields : JSON.stringify(fields))
  const origin = line === undefined ? undefined : { input: 'test', describe: () => line, stableId: () => line }
  return Event.from(value as Fields, new Timestamp(Date.UTC(2026, 0, 2, 3, 4, 5)), { exact, origin })
}

/** A signal that does not abort. */
export const NEVER = new AbortController().signal
