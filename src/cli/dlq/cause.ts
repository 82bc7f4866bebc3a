import { createHash } from 'node:crypto'
import type { WaitingLetter } from '../../storage/stored-letter.ts'

/** Why a letter is dead, without what is different from letter to letter. */
export interface Cause {
  /** Eight hex digits, the same for the same cause at every call. */
  readonly group: string
  readonly pipeline: string
  readonly component: string
  readonly plugin_type: string
  readonly cause: string
}

/** The latest reason: of a letter that failed when it was sent again, that one. */
export function latestReason({ letter, failure }: WaitingLetter): Pick<Cause, 'component' | 'plugin_type'> & { reason: string } {
  const { plugin_id, plugin_type, reason } = letter
  if (failure === undefined) return { component: plugin_id, plugin_type, reason }
  return { component: failure.component, plugin_type: failure.plugin_type ?? plugin_type, reason: failure.reason }
}

export function causeOf(waiting: WaitingLetter): Cause {
  const { component, plugin_type, reason } = latestReason(waiting)
  const cause = withoutValues(reason)
  const { pipeline } = waiting.letter
  return { group: groupId(pipeline, component, cause), pipeline, component, plugin_type, cause }
}

function groupId(...parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 8)
}

const CAUSE_LENGTH_MAX = 200

/**
 * What of a reason names its kind. Names of fields stay (`[price]`), also with digits in them; values go:
 *
 *     document_parsing_exception: [1:23] failed to parse field [price] of type [long] in document with id 'k:3:7'. Preview of field's value: 'n/a'
 *     document_parsing_exception: failed to parse field [price] of type [long] in document
 */
const VALUES: readonly (readonly [RegExp, string])[] = [
  // Elasticsearch: the value, the place in the document, the document's id.
  [/[.:,]? Preview of field's value: .*$/su, ''],
  [/\[-?\d+:-?\d+\] ?/gu, ''],
  [/(?<= document) with id ['"[].*?(?:['"\]](?=[\s.:,])|$)/gu, ''],
  // A place in a config moves when it is edited.
  [/ \(\S+?:\d+:\d+\)/gu, ''],
  [/"(?:[^"\\]|\\.)*"?|'[^']*'/gu, '…'],
  // An index of a day, a time, an address, an id, a number: none is a name.
  [/(?<=-)\d{4}[.-]\d\d(?:[.-]\d\d)?/gu, '#'],
  [/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22,}\b/giu, '#'],
  [/\b(?=[0-9a-f]*\d)[0-9a-f]{16,}\b/giu, '#'],
  [/(?<![\w[])-?\d+(?:[.:\-T]\d+)*Z?(?![\w\]])/gu, '#'],
  [/\s+/gu, ' '],
]

function withoutValues(reason: string): string {
  let text = reason.slice(0, 2_000)
  for (const [pattern, instead] of VALUES) text = text.replace(pattern, instead)
  text = text.trim().replace(/[.:]+$/u, '')
  return text.length > CAUSE_LENGTH_MAX ? `${text.slice(0, CAUSE_LENGTH_MAX - 1).toWellFormed()}…` : text
}
