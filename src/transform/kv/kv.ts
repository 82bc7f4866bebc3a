import { defineFilter } from '../../core/component.ts'
import type { FilterContext } from '../../core/contracts.ts'
import { messageOf } from '../../core/errors.ts'
import type { Event } from '../../core/event.ts'
import { parseFieldRef } from '../../core/field-ref.ts'
import * as option from '../../core/options/options.ts'
import { isInterrupted, REGEX_TIMEOUT_MS, regexLimits } from '../../core/regex/guard.ts'
import { cloneValue, type Fields, isFields, isNumber, member, setMember, type Value } from '../../core/values.ts'
import { configValueOf } from '../config-value.ts'
import { compileTextChange, TRANSFORMS } from './change-text.ts'
import { compileFinder } from './find-pairs.ts'
import type { ScanPairs } from './scan.ts'

/** The inside of a character class of a regular expression. */
const CLASS = 'a class: `\\[`, `\\]`, `\\^` and `\\\\` are escaped, `a-z` and `\\s` mean several'

const KV_OPTIONS = {
  source: option.fieldRef('Field with the text, or with a list of texts.', { default: 'message' }),
  target: option.fieldRef('Field that gets all pairs as a map. Default: each pair is a field of the event.'),
  field_split: option.string(`Characters that each end a pair; ${CLASS}.`, { default: ' ' }),
  field_split_pattern: option.string('Regular expression (Ruby syntax) for what ends a pair, instead.'),
  value_split: option.string('Characters that each may stand between key and value; a class too.', { default: '=' }),
  value_split_pattern: option.string('Regular expression for what stands between key and value, instead.'),
  whitespace: option.oneOf('Whether blanks around what stands between key and value are ignored.', ['lenient', 'strict'], {
    default: 'lenient',
  }),
  include_brackets: option.boolean('Takes `(…)`, `[…]` and `<…>` for quotes around a value.', { default: true }),
  prefix: option.template('Text in front of every key.', { default: '' }),
  include_keys: option.templates('Only these keys are taken (without the prefix). Default: all.', { default: [] }),
  exclude_keys: option.templates('These keys are not taken.', { default: [] }),
  default_keys: option.hash('Fields and values for keys that do not come.', { default: {} }),
  allow_duplicate_values: option.boolean('Keeps the same value of a key several times.', { default: true }),
  allow_empty_values: option.boolean('Takes keys with an empty value.', { default: false }),
  recursive: option.boolean('Looks for pairs in values, too: such a value becomes a map.', { default: false }),
  trim_key: option.string('Characters taken off both ends of keys; a class.'),
  trim_value: option.string('Characters taken off both ends of values; a class.'),
  remove_char_key: option.string('Characters taken out of keys; a class.'),
  remove_char_value: option.string('Characters taken out of values; a class.'),
  transform_key: option.oneOf('How keys are written.', TRANSFORMS),
  transform_value: option.oneOf('How values are written.', TRANSFORMS),
  tag_on_failure: option.list('Tags of an event with a key that cannot be a field.', { default: ['_kv_filter_error'] }),
  tag_on_timeout: option.string('Tag of an event whose text took too long.', { default: '_kv_filter_timeout' }),
  timeout_millis: option.integer('How long the patterns may take for one text, in milliseconds; 0: no limit.', {
    default: REGEX_TIMEOUT_MS,
    min: 0,
  }),
}

type KvOptions = option.OptionValues<typeof KV_OPTIONS>

export const kv = defineFilter({
  name: 'kv',
  summary: 'Reads `key=value` pairs.',
  description: `
A value may stand in quotes (\`"…"\`, \`'…'\`) or brackets, which are taken off; a backslash keeps the next character from
ending anything, and stays. A key that comes several times gets a list. Without \`target\` keys are read as field references
(\`[a][b]\` makes a nested field), and overwrite what is there; at one that is none the event is tagged, and those before
it stay set. Where nothing is found the event stays as it is, and the common options do not act. Numbers, maps and
booleans are passed over, also in a list.

With \`allow_duplicate_values => false\` a value is left out, as in Logstash, when it is part of the only value before it.

Pairs are found by a scanner whose time grows with the length of the text only. Patterns, and classes of more than ASCII
characters, go through a regular expression under \`timeout_millis\` (1 s here, 30 s in Logstash).
`.trim(),
  options: KV_OPTIONS,
  examples: [
    {
      title: 'A firewall’s line',
      options: {},
      before: { message: 'SRC=10.0.0.1 DPT=443 MSG="not allowed" MARK=' },
      after: { message: 'SRC=10.0.0.1 DPT=443 MSG="not allowed" MARK=', SRC: '10.0.0.1', DPT: '443', MSG: 'not allowed' },
    },
    {
      title: 'The query of a URL',
      options: { source: 'query', field_split: '&?', target: 'args', remove_field: ['query'] },
      before: { query: '?pin=12345~0&e=foo&e=bar' },
      after: { args: { pin: '12345~0', e: ['foo', 'bar'] } },
    },
    {
      title: 'Several characters between pairs',
      options: { field_split_pattern: ', ?', value_split_pattern: ': ?', include_keys: ['a', 'c'], default_keys: { z: 'none' } },
      before: { message: 'a: 1, b:2,c: x y' },
      after: { message: 'a: 1, b:2,c: x y', z: 'none', a: '1', c: 'x y' },
    },
  ],
  compile(options, context) {
    const { source, target } = options
    const find = compileFinder(options, context)
    const pairsOf = compilePairs(options, find, context)
    const defaults: [string, Value][] = options.default_keys.map(({ name, value }) => [name, configValueOf(value)])
    return (event) => {
      try {
        const found = pairsOf(event, event.get(source))
        const pairs = defaults.length === 0 ? found : new Map<string, Value>([...defaults.map(copied), ...found])
        if (pairs.size === 0) return
        if (target !== undefined) event.set(target, fieldsOf(pairs))
        else for (const [name, value] of pairs) event.set(parseFieldRef(name), value)
      } catch (thrown) {
        const tags = isInterrupted(thrown) ? [options.tag_on_timeout] : options.tag_on_failure
        for (const tag of tags) event.tag(tag)
        context.log.warn('kv_failure', `${context.where}: the kv filter could not take ${source.text}: ${messageOf(thrown)}`)
        return
      }
      context.matched(event)
    }
  },
})

type Pairs = Map<string, Value>
type PairsOf = (event: Event, value: Value | undefined) => Pairs

function copied([name, value]: readonly [string, Value]): [string, Value] {
  return [name, cloneValue(value)]
}

function fieldsOf(pairs: Pairs): Fields {
  const fields: Fields = {}
  for (const [name, value] of pairs) setMember(fields, name, value)
  return fields
}

function compilePairs(options: KvOptions, find: ScanPairs, context: FilterContext): PairsOf {
  const limits = regexLimits(context, options.timeout_millis)
  const key = { trim: options.trim_key, remove: options.remove_char_key, transform: options.transform_key }
  const changeKey = compileTextChange(key, limits)
  const value = { trim: options.trim_value, remove: options.remove_char_value, transform: options.transform_value }
  const changeValue = compileTextChange(value, limits)
  const wantedOf = compileWanted(options)
  const { prefix, allow_duplicate_values, allow_empty_values, recursive } = options

  const parse = (text: string, isWanted: IsWanted, front: string, found: Pairs, depth: number): void =>
    find(text, (written, raw) => {
      if (raw === '' && !allow_empty_values) return
      const bare = changeKey(written)
      if (!isWanted(bare)) return
      const name = front + bare
      const text_value = changeValue(raw)
      const present = found.get(name)
      if (!allow_duplicate_values && present !== undefined && holds(present, text_value)) return
      const added = recursive ? withPairsInside(text_value, isWanted, front, depth) : text_value
      if (present === undefined) found.set(name, added)
      else if (Array.isArray(present)) present.push(added)
      else found.set(name, [present, added])
    })

  const withPairsInside = (text: string, isWanted: IsWanted, front: string, depth: number): Value => {
    const inner: Pairs = new Map()
    if (depth < DEPTH_MAX) parse(text, isWanted, front, inner, depth + 1)
    return inner.size === 0 ? text : fieldsOf(inner)
  }

  return (event, source) => {
    const found: Pairs = new Map()
    const texts = Array.isArray(source) ? source : [source]
    if (isNumber(source) || isFields(source) || typeof source === 'boolean') {
      context.log.warn('kv_type', `${context.where}: kv filter has no support for this type of data in ${options.source.text}`)
    }
    if (!texts.some((text) => typeof text === 'string')) return found
    const isWanted = wantedOf(event)
    const front = prefix.format(event)
    for (const text of texts) if (typeof text === 'string') parse(text, isWanted, front, found, 0)
    return found
  }
}

/** Pairs in a value in a value …: no log means more. */
const DEPTH_MAX = 100

/** As Ruby's `include?`: an element of a list, a name of a map, a part of a text. */
function holds(present: Value, value: string): boolean {
  if (Array.isArray(present)) return present.includes(value)
  if (isFields(present)) return member(present, value) !== undefined
  return typeof present === 'string' && present.includes(value)
}

type IsWanted = (key: string) => boolean

/** Which keys are taken, for an event. */
function compileWanted({ include_keys, exclude_keys }: KvOptions): (event: Event) => IsWanted {
  if (include_keys.length === 0 && exclude_keys.length === 0) return () => () => true
  return (event) => {
    const included = new Set(include_keys.map((template) => template.format(event)))
    const excluded = new Set(exclude_keys.map((template) => template.format(event)))
    return (key) => (included.size === 0 || included.has(key)) && !excluded.has(key)
  }
}
