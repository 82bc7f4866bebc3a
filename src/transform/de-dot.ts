import { defineFilter } from '../core/component.ts'
import { MillraceError, messageOf } from '../core/errors.ts'
import type { Event } from '../core/event.ts'
import { type FieldRef, fieldRefOf } from '../core/field-ref.ts'
import * as option from '../core/options/options.ts'
import { isFields } from '../core/values.ts'

const FAILURE = '_de_dot_failure'

export const deDot = defineFilter({
  name: 'de_dot',
  summary: 'Renames fields whose names have dots in them.',
  description: `
Without \`fields\` all top-level names are looked at; deeper ones where \`fields\` names them or \`recursive\` is set. A field
that has the new name already is overwritten. Where the new name cannot be set (\`a.b\` beside a text \`a\`, with \`nested\`),
the field keeps its old name and the event is tagged \`${FAILURE}\`. As in Logstash, of \`[a.b][c]\` the value alone moves to
\`[a_b][c]\`, and the rest of \`[a.b]\` is removed: name \`[a.b]\` to keep it.
`.trim(),
  options: {
    separator: option.string('What stands in the place of a dot.', { default: '_' }),
    nested: option.boolean('Makes a map in a map of each dot instead.', { default: false }),
    recursive: option.boolean('Also renames the names inside maps.', { default: false }),
    fields: option.fieldRefs('Fields to rename. Default: all at the top level.'),
  },
  examples: [
    { title: 'Other names', options: {}, before: { 'host.name': 'a', b: 1 }, after: { host_name: 'a', b: 1 } },
    {
      title: 'Nested fields',
      options: { nested: true },
      before: { 'host.name': 'a', 'host.ip': '10.0.0.1' },
      after: { host: { name: 'a', ip: '10.0.0.1' } },
    },
    {
      title: 'At any depth',
      options: { recursive: true, fields: ['labels'], separator: '-' },
      before: { labels: { 'app.name': 'x', more: { 'a.b.c': 1 } }, 'y.z': 1 },
      after: { labels: { 'app-name': 'x', more: { 'a-b-c': 1 } }, 'y.z': 1 },
    },
  ],
  compile({ separator, nested, recursive, fields }, context) {
    if (/[.[\]]/.test(separator)) {
      throw new MillraceError('OPTION_INVALID', `separator: expected text without a dot or brackets, got "${separator}"`)
    }
    const renamed = (name: string): string[] => (nested ? name.split('.') : [name.replaceAll('.', separator)])

    const rename = (event: Event, ref: FieldRef): void => {
      const first = ref.path.findIndex((name) => name.includes('.'))
      let current = ref
      if (first >= 0) {
        const path = ref.path.flatMap(renamed)
        if (path.includes('')) throw new MillraceError('FIELD_REFERENCE_INVALID', `${ref.text} would have an empty name in it`)
        current = { ...fieldRefOf(path), in_metadata: ref.in_metadata }
        event.set(current, event.get(ref) ?? null)
        event.remove({ ...fieldRefOf(ref.path.slice(0, first + 1)), in_metadata: ref.in_metadata })
      }
      if (recursive) renameInside(event, current)
    }

    const renameInside = (event: Event, ref: FieldRef): void => {
      const value = event.get(ref)
      if (!isFields(value)) return
      for (const name of Object.keys(value)) {
        const inner = { ...fieldRefOf([...ref.path, name]), in_metadata: ref.in_metadata }
        if (event.has(inner)) attempt(event, inner)
      }
    }

    const attempt = (event: Event, ref: FieldRef): void => {
      try {
        rename(event, ref)
      } catch (thrown) {
        event.tag(FAILURE)
        failed = true
        context.log.warn('de_dot_failure', `${context.where}: the de_dot filter kept ${ref.text}: ${messageOf(thrown)}`)
      }
    }

    let failed = false
    return (event) => {
      failed = false
      const refs = fields ?? event.names().map((name) => fieldRefOf([name]))
      for (const ref of refs) if (event.has(ref)) attempt(event, ref)
      if (!failed) context.matched(event)
    }
  },
})
