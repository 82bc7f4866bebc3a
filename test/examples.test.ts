import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { COMMON_OPTIONS } from '../scripts/generate/component-page.ts'
import { readOptions } from '../src/core/options/read-options.ts'
import type { Fields } from '../src/core/values.ts'
import { catalog } from './helpers/catalog.ts'
import { componentNode } from './helpers/config-value.ts'
import { TestFilter } from './helpers/run-filter.ts'

process.env['MILLRACE_GEOIP_DATABASE'] = join(import.meta.dirname, '..', 'config', 'geoip', 'millrace-sample.mmdb')

const COMPONENT_KINDS = ['input', 'filter', 'output', 'codec'] as const

describe.each(catalog.all('filter').map((spec) => ({ name: spec.name, spec })))('the examples of $name', ({ spec }) => {
  test('there is at least one', () => {
    expect(spec.examples.length).toBeGreaterThan(0)
  })

  test.each(spec.examples)('$title', async ({ options, before, after }) => {
    await using filter = await TestFilter.build(spec, options)
    const [run] = await filter.batch([before as Fields])
    const documents = run?.out.map((event) => JSON.parse(event.toJsonText()) as Fields) ?? []
    const expected = Array.isArray(after) ? (after as Fields[]) : after === null ? [] : [after]
    for (const [index, document] of documents.entries()) {
      const wanted = expected[index] ?? {}
      for (const name of ['@timestamp', '@version']) if (!(name in wanted)) delete document[name]
    }
    expect(documents).toEqual(expected)
  })
})

test.each(COMPONENT_KINDS)('every %s is in the list under its name', (kind) => {
  expect(catalog.names(kind)).toEqual(catalog.all(kind).map(({ name }) => name))
})

const others = [...catalog.all('input'), ...catalog.all('output'), ...catalog.all('codec')]

test.each(others.flatMap((spec) => spec.examples.map((example) => ({ name: spec.name, spec, ...example }))))(
  'the example of $name is a valid configuration: $title',
  ({ spec, options }) => {
    const faults: string[] = []
    readOptions({ ...COMMON_OPTIONS[spec.kind], ...spec.options }, componentNode(spec.name, options), ({ message }) =>
      faults.push(message),
    )
    expect(faults).toEqual([])
  },
)
