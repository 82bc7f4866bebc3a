import { defineFilter } from '../core/component.ts'
import type { FilterContext } from '../core/contracts.ts'
import { messageOf } from '../core/errors.ts'
import type { Event } from '../core/event.ts'
import { parseFieldRef } from '../core/field-ref.ts'
import { endOfJson, parseJson } from '../core/json/json.ts'
import { tellParsed, WHOLE_TEXT } from '../core/json/parsing-watch.ts'
import { ScannedObject } from '../core/json/scanned-object.ts'
import * as option from '../core/options/options.ts'
import { areTags, RESERVED } from '../core/reserved-fields.ts'
import { type Fields, isFields, parseTimestamp, type Value } from '../core/values.ts'
import { rubyText } from './ruby-text.ts'

const JSON_OPTIONS = {
  source: option.fieldRef('Field that holds the JSON text. Where it is missing or null, nothing happens.', { required: true }),
  target: option.fieldRef(
    'Field that the parsed value is put into. Without it, the keys of an object become fields of the event.',
  ),
  skip_on_invalid_json: option.boolean('Lets text that is not JSON pass without a tag and without a warning.', {
    default: false,
  }),
  tag_on_failure: option.list('Tags of an event whose text could not be taken.', { default: ['_jsonparsefailure'] }),
}

const TIMESTAMP = parseFieldRef('@timestamp')
const UNREADABLE_TIMESTAMP = parseFieldRef('_@timestamp')

export const json = defineFilter({
  name: 'json',
  summary: 'Parses JSON text in a field into fields.',
  description: `
Numbers keep what they say: a 20-digit id stays exact, \`1.10\` stays \`1.10\`. Of a name that comes twice the last one
wins. The source field is kept; \`remove_field => ["message"]\` removes it once it was parsed.

Without \`target\` the text must hold an object. Its keys are read as field references (\`"[a][b]"\` makes a nested
field), its \`@timestamp\` becomes the event's, its \`@metadata\` the event's metadata. An unreadable \`@timestamp\` is kept
as \`_@timestamp\` with the tag \`_timestampparsefailure\`, and the current time takes its place. \`tags\` that are not text
or a list of texts, and keys that cannot be a reference, are failures: keys before them stay set, as in Logstash.
Where one text holds several objects, one after the other, the last one wins, as in Logstash, and a warning is logged.
`.trim(),
  options: JSON_OPTIONS,
  examples: [
    {
      title: 'A log line that is JSON',
      options: { source: 'message', remove_field: ['message'] },
      before: { message: '{"level":"error","duration":1205,"order":{"id":"A-7"}}' },
      after: { level: 'error', duration: 1205, order: { id: 'A-7' } },
    },
    {
      title: 'Into a field of its own',
      options: { source: 'payload', target: 'doc' },
      before: { payload: '[1, 2]' },
      after: { payload: '[1, 2]', doc: [1, 2] },
    },
    {
      title: 'Text that is not JSON',
      options: { source: 'message' },
      before: { message: 'plain text' },
      after: { message: 'plain text', tags: ['_jsonparsefailure'] },
    },
  ],
  compile({ source, target, skip_on_invalid_json, tag_on_failure }, context) {
    const fail = (event: Event, why: string): void => {
      for (const tag of tag_on_failure) event.tag(tag)
      context.log.warn(
        'json_failure',
        `${context.where}: the json filter could not take ${source.text} of ${event.origin?.describe() ?? 'an event'}: ${why}`,
      )
    }
    return (event) => {
      const text = event.get(source)
      if (text === undefined || text === null || text === false) return
      if (typeof text !== 'string') return fail(event, 'it is not text')
      const scanned = target === undefined ? ScannedObject.read(text, true) : undefined
      if (scanned !== undefined && adopt(event, scanned, context)) return context.matched(event)
      const parsed = parseLast(text, context)
      if (parsed === undefined) {
        if (!skip_on_invalid_json) fail(event, 'it is not valid JSON')
        return
      }
      try {
        if (target !== undefined) event.set(target, parsed)
        else if (isFields(parsed)) spread(event, parsed, context)
        else return fail(event, 'it holds no object, and other values need the option target')
      } catch (thrown) {
        return fail(event, messageOf(thrown))
      }
      context.matched(event)
    }
  },
})

const BYTE_ORDER_MARK = '\ufeff'

/** The value of a text, of several in a row the last one. `undefined` for text that is not JSON. */
function parseLast(text: string, context: FilterContext): Value | undefined {
  const bare = text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text
  const whole = tryParse(bare)
  return whole === undefined ? parseSeveral(bare.trimEnd(), context) : whole
}

function parseSeveral(text: string, context: FilterContext): Value | undefined {
  let last: Value | undefined
  let end = endOfJson(text, 0)
  if (end < 0 || end === text.length) return undefined
  for (let start = 0; end > 0; start = end, end = endOfJson(text, start)) {
    last = tryParse(text.slice(start, end))
    if (last === undefined) return undefined
    if (end === text.length) {
      context.log.warn('json_several', `${context.where}: a text held several JSON objects, and only the last one was taken`)
      return last
    }
  }
  return undefined
}

function tryParse(text: string): Value | undefined {
  tellParsed(WHOLE_TEXT)
  try {
    return parseJson(text, true).value
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return undefined
    throw thrown
  }
}

/** The same as `spread` without reading the members. False, and nothing happened, where one may not be what it has to be. */
function adopt(event: Event, object: ScannedObject, context: FilterContext): boolean {
  if (!object.holdsReserved) return event.adopt(object)
  const tags = object.get('tags')
  const metadata = object.get('@metadata')
  if (object.holdsBracketed || (tags !== undefined && !areTags(tags)) || (metadata !== undefined && !isFields(metadata)))
    return false
  const time = object.take('@timestamp') ?? null
  const reserved = RESERVED.flatMap((name) => {
    const value = object.take(name)
    return value === undefined ? [] : [{ name, value }]
  })
  if (!event.adopt(object)) return false
  for (const { name, value } of reserved) event.set(parseFieldRef(name), value)
  setTime(event, time, context)
  return true
}

/** Makes the members of an object fields of the event. The time comes last: a failure before it leaves it as it was. */
function spread(event: Event, fields: Fields, context: FilterContext): void {
  let time: Value = null
  for (const name of Object.keys(fields)) {
    const value = fields[name] ?? null
    if (name === '@timestamp') time = value
    else event.set(parseFieldRef(name), value)
  }
  setTime(event, time, context)
}

function setTime(event: Event, time: Value, context: FilterContext): void {
  if (time === null || time === false) return
  const read = typeof time === 'string' ? parseTimestamp(time) : undefined
  event.set(TIMESTAMP, read ?? context.clock.timestamp())
  if (read !== undefined) return
  event.tag('_timestampparsefailure')
  event.set(UNREADABLE_TIMESTAMP, rubyText(time))
}
