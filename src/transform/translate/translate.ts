import { resolve } from 'node:path'
import { defineFilter } from '../../core/component.ts'
import type { FilterContext, Step } from '../../core/contracts.ts'
import { MillraceError, messageOf } from '../../core/errors.ts'
import type { Event } from '../../core/event.ts'
import { type FieldRef, parseFieldRef } from '../../core/field-ref.ts'
import * as option from '../../core/options/options.ts'
import { isInterrupted, type RegexLimits, regexLimits } from '../../core/regex/guard.ts'
import { isFields, type Value } from '../../core/values.ts'
import { configValueOf } from '../config-value.ts'
import { sortedRubyText } from '../ruby-text.ts'
import { type Dictionary, exactLookup, type Lookup, partsLookup, regexLookup } from './lookup.ts'
import { WatchedDictionary } from './watched-dictionary.ts'

/** 128 Mi characters. */
const YAML_CHARS_MAX = 134_217_728
const TIMEOUT_TAG = '_translatetimeout'

const TRANSLATE_OPTIONS = {
  source: option.fieldRef('Field to translate. Of a list the first element counts, unless `iterate_on` names it.', {
    required: true,
  }),
  target: option.fieldRef('Field for the translation. Default: `translation`; with ECS on the source itself.'),
  dictionary: option.hash('Texts and what they are translated to.'),
  dictionary_path: option.path(
    "File with the dictionary, by its ending: .yml, .yaml, .json or .csv. A relative path starts at the config's folder.",
  ),
  override: option.boolean('Whether a target that is there is replaced. Default: only where it is the source.'),
  exact: option.boolean('Whether a text must be an entry as a whole. Else entries are replaced wherever they are part of it.', {
    default: true,
  }),
  regex: option.boolean(
    'Whether entries are regular expressions, of which the first one that matches counts. Only with `exact`.',
    {
      default: false,
    },
  ),
  fallback: option.template('What a text is translated to that has no entry.'),
  iterate_on: option.fieldRef(
    'A list: the source itself, whose elements are translated one by one, or a list of maps that each have a field `source`.',
  ),
  refresh_interval: option.number('Seconds between two looks at the file. 0: it is read once.', { default: 300 }),
  refresh_behaviour: option.oneOf('Whether entries that a changed file does not have any more stay.', ['merge', 'replace'], {
    default: 'merge',
  }),
  yaml_dictionary_code_point_limit: option.integer('Characters that a YAML file may have.', { default: YAML_CHARS_MAX, min: 1 }),
  yaml_load_strategy: option.oneOf("Kept for Logstash's configs: files are read as a whole.", ['one_shot', 'streaming'], {
    default: 'one_shot',
  }),
}

type TranslateOptions = option.OptionValues<typeof TRANSLATE_OPTIONS>

export const translate = defineFilter({
  name: 'translate',
  summary: 'Translates a value by a dictionary, from the config or from a file.',
  description: `
A number or boolean is looked up by its text, null as the empty text. Where the source is missing, or the target is there already
and \`override\` is off, nothing happens; without an entry and without a \`fallback\` neither, and no tag tells.

A file is looked at every \`refresh_interval\`. When its content has changed it is taken over as a whole; one that cannot be read is
logged, and the entries from before stay. In YAML and JSON an entry may be any value, in CSV it is the second column. Names in a
YAML file that are numbers count by their text, where Logstash wants quotes around them.

A regular expression that takes too long on a text is broken off, and the event gets the tag \`${TIMEOUT_TAG}\`.
`.trim(),
  renamed: { field: 'source', destination: 'target' },
  options: TRANSLATE_OPTIONS,
  examples: [
    {
      title: 'A code and its meaning',
      options: {
        source: 'status',
        target: 'meaning',
        dictionary: { 200: 'OK', 404: 'Not Found' },
        fallback: 'unknown: %{status}',
      },
      before: { status: 404 },
      after: { status: 404, meaning: 'Not Found' },
    },
    {
      title: 'No entry',
      options: {
        source: 'status',
        target: 'meaning',
        dictionary: { 200: 'OK', 404: 'Not Found' },
        fallback: 'unknown: %{status}',
      },
      before: { status: 599 },
      after: { status: 599, meaning: 'unknown: 599' },
    },
    {
      title: 'By regular expressions',
      options: { source: 'path', target: 'area', regex: true, dictionary: { '^/api/orders': 'trading', '^/api': 'other' } },
      before: { path: '/api/orders/17' },
      after: { path: '/api/orders/17', area: 'trading' },
    },
    {
      title: 'A list of maps',
      options: {
        iterate_on: 'legs',
        source: 'venue',
        target: 'name',
        dictionary: { XLON: 'London', XPAR: 'Paris' },
      },
      before: { legs: [{ venue: 'XPAR' }, { venue: 'XXXX' }] },
      after: { legs: [{ venue: 'XPAR', name: 'Paris' }, { venue: 'XXXX' }] },
    },
  ],
  async compile(options, context) {
    const target = options.target ?? (context.ecs_compatibility === 'disabled' ? parseFieldRef('translation') : options.source)
    const limits = regexLimits(context)
    const compileLookup = chooseLookup(options, limits)
    const watched = await openFile(options, compileLookup, context)
    const lookup = watched === undefined ? compileLookup(dictionaryOf(options.dictionary ?? [])) : undefined
    const translated = chooseWay(options, target, (text) => (lookup ?? watched?.lookup)?.(text))
    return { step: compileStep(translated, options, target, context), close: () => watched?.close() }
  },
})

/** Whether it translated something. */
type Way = (event: Event) => boolean

function compileStep(translated: Way, { source }: TranslateOptions, target: FieldRef, context: FilterContext): Step {
  const in_place = source.text === target.text
  return (event) => {
    try {
      if (translated(event) || (in_place && event.has(source))) context.matched(event)
    } catch (thrown) {
      if (isInterrupted(thrown)) event.tag(TIMEOUT_TAG)
      context.log.warn('translate_failure', `${context.where}: translate could not set ${target.text}: ${messageOf(thrown)}`)
    }
  }
}

function chooseLookup({ exact, regex }: TranslateOptions, limits: RegexLimits): (dictionary: Dictionary) => Lookup {
  if (!exact) return partsLookup
  return regex ? (dictionary) => regexLookup(dictionary, limits) : exactLookup
}

async function openFile(
  options: TranslateOptions,
  compile: (dictionary: Dictionary) => Lookup,
  context: FilterContext,
): Promise<WatchedDictionary | undefined> {
  if (options.dictionary_path === undefined) return undefined
  if (options.dictionary !== undefined && options.dictionary.length > 0) {
    throw new MillraceError(
      'OPTION_INVALID',
      "The configuration options 'dictionary' and 'dictionary_path' are mutually exclusive: remove one",
    )
  }
  const watch = {
    refresh_interval_s: options.refresh_interval,
    refresh_behaviour: options.refresh_behaviour,
    yaml_chars_max: options.yaml_load_strategy === 'streaming' ? Infinity : options.yaml_dictionary_code_point_limit,
    compile,
  }
  return WatchedDictionary.open(resolve(context.paths.config, options.dictionary_path), watch, context.log)
}

function chooseWay(options: TranslateOptions, target: FieldRef, lookup: Lookup): Way {
  const { source, iterate_on } = options
  if (iterate_on !== undefined && iterate_on.text !== source.text) return eachMap(options, iterate_on, target, lookup)
  const override = options.override ?? source.text === target.text
  const way = iterate_on === undefined ? oneValue(options, target, lookup) : eachElement(options, target, lookup)
  return (event) => event.has(source) && (override || !event.has(target)) && way(event)
}

function oneValue({ source, fallback }: TranslateOptions, target: FieldRef, lookup: Lookup): Way {
  return (event) => {
    const value = event.get(source)
    const entry = lookup(sortedRubyText((Array.isArray(value) ? value[0] : value) ?? null))
    // Null is an entry too.
    const found = entry === undefined ? fallback?.format(event) : entry
    if (found === undefined) return false
    event.set(target, found)
    return true
  }
}

function eachElement({ source, fallback }: TranslateOptions, target: FieldRef, lookup: Lookup): Way {
  return (event) => {
    const missing = fallback?.format(event) ?? null
    const found = elementsOf(event.get(source)).map((element) => {
      const entry = lookup(sortedRubyText(element))
      return entry === undefined ? missing : entry
    })
    event.set(target, found)
    return found.some((translation) => translation !== null && translation !== false)
  }
}

/** What Ruby's Array() makes of a value. */
function elementsOf(value: Value | undefined): readonly Value[] {
  if (Array.isArray(value)) return value
  if (isFields(value)) return Object.entries(value).map(([name, inner]) => [name, inner ?? null])
  return value === undefined || value === null ? [] : [value]
}

function eachMap({ source, fallback }: TranslateOptions, list: FieldRef, target: FieldRef, lookup: Lookup): Way {
  const inside = (index: number, ref: FieldRef): FieldRef => parseFieldRef(`${bracketed(list)}[${index}]${bracketed(ref)}`)
  return (event) => {
    const elements = event.get(list)
    let is_translated = false
    for (let index = 0; index < (Array.isArray(elements) ? elements.length : 0); index++) {
      const value = event.get(inside(index, source))
      if (value === undefined || value === null) continue
      const entry = lookup(sortedRubyText(value))
      const found = entry === undefined ? fallback?.format(event) : entry
      if (found === undefined) continue
      event.set(inside(index, target), found)
      is_translated = true
    }
    return is_translated
  }
}

function bracketed({ text }: FieldRef): string {
  return text.startsWith('[') ? text : `[${text}]`
}

function dictionaryOf(entries: readonly option.Entry[]): Dictionary {
  return new Map(entries.map(({ name, value }) => [name, configValueOf(value)]))
}
