import type { Event } from '../core/event.ts'
import { parseFieldRef } from '../core/field-ref.ts'
import { type RefOf, readLateRefOf, readLateTemplate } from '../core/options/late-options.ts'
import * as option from '../core/options/options.ts'
import type { Template } from '../core/template.ts'
import { isFields, type Value } from '../core/values.ts'

const TEXTS = 'list of texts with %{field}'

/** Options that every filter takes; they act when the filter reports success, in the order below. */
export const FILTER_OPTIONS = {
  id: option.string('Name of this filter in metrics, messages and the ledger.'),
  enable_metric: option.boolean("Kept for Logstash's configs; metrics are always on.", { default: true }),
  ecs_compatibility: option.oneOf("Which field names this component uses by default; the pipeline's where left out.", [
    'disabled',
    'v1',
    'v8',
  ]),
  periodic_flush: option.boolean("Kept for Logstash's configs; filters that hold events flush by themselves.", {
    default: false,
  }),
  add_field: additions('Fields to add on success. A field that exists becomes a list. Names and values take %{field}.'),
  remove_field: option.listOf('Fields to remove on success. Names take %{field}.', TEXTS, readLateRefOf),
  add_tag: option.listOf('Tags to append on success, also when already there. They take %{field}.', TEXTS, readLateTemplate),
  remove_tag: option.listOf('Tags to remove on success. They take %{field}.', TEXTS, readLateTemplate),
}

export type FilterOptions = option.OptionValues<typeof FILTER_OPTIONS>

type Change = (event: Event) => void

const TAGS = parseFieldRef('tags')

/** What a filter's success does to an event: add_field, remove_field, add_tag, remove_tag, in this order. */
export function compileMatched(options: FilterOptions): Change {
  const changes: Change[] = [
    ...(options.add_field ?? []).map(addField),
    ...(options.remove_field ?? []).map(removeField),
    ...(options.add_tag ?? []).map(addTag),
    ...(options.remove_tag ?? []).map(removeTag),
  ]
  if (changes.length === 0) return () => {}
  return (event) => {
    for (const change of changes) change(event)
  }
}

/** A field to add, with one value or several. */
interface Addition {
  readonly refOf: RefOf
  readonly values: readonly Template[]
}

/** An `add_field`: also the inputs' option of that name. */
export function additions(summary: string): option.Option<readonly Addition[] | undefined> {
  const plain = option.hash(summary)
  return {
    ...plain,
    read: (value, report) => plain.read(value, report)?.map((entry) => readAddition(entry, report)),
  }
}

function readAddition({ name, name_at, value }: option.Entry, report: option.Report): Addition {
  const items = value.kind === 'list' ? value.items : [value]
  return {
    refOf: readLateRefOf(name, name_at, report),
    values: items.map((item) => readLateTemplate(option.readText(item, report) ?? '', item.at, report)),
  }
}

export function addField({ refOf, values }: Addition): Change {
  return (event) => {
    const ref = refOf(event)
    for (const template of values) {
      const present = event.get(ref)
      const added = template.format(event)
      event.set(ref, present === undefined ? added : [...asList(present), added])
    }
  }
}

function asList(value: Value): Value[] {
  if (Array.isArray(value)) return value
  if (isFields(value)) return Object.entries(value).map(([name, inner]) => [name, inner ?? null])
  return value === null ? [] : [value]
}

function removeField(refOf: RefOf): Change {
  return (event) => {
    event.remove(refOf(event))
  }
}

/** Appends without looking whether it is there, as the common option of Logstash does. */
export function addTag(tag: Template): Change {
  return (event) => {
    const tags = event.get(TAGS)
    const added = tag.format(event)
    event.set(TAGS, tags === undefined || tags === null ? [added] : [...(Array.isArray(tags) ? tags : [tags]), added])
  }
}

function removeTag(tag: Template): Change {
  return (event) => {
    const tags = event.get(TAGS)
    const removed = tag.format(event)
    if (Array.isArray(tags))
      event.set(
        TAGS,
        tags.filter((present) => present !== removed),
      )
    else if (tags === removed) event.set(TAGS, [])
  }
}
