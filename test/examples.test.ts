import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { COMMON_OPTIONS } from '../scripts/generate/component-page.ts'
import { catalog } from '../src/components.ts'
import { readOptions } from '../src/core/read-options.ts'
import type { Fields } from '../src/core/values.ts'
import { componentNode } from './helpers/config-value.ts'
import { runFilter } from './helpers/run-filter.ts'

process.env['MILLRACE_GEOIP_DATABASE'] = join(import.meta.dirname, '..', 'config', 'geoip', 'millrace-sample.mmdb')

describe.each(catalog.all('filter').map((spec) => ({ name: spec.name, spec })))('the examples of $name', ({ spec }) => {
  test('there is at least one', () => {
    expect(spec.examples.length).toBeGreaterThan(0)
  })

  test.each(spec.examples)('$title', async ({ options, before, after }) => {
    const document = await runFilter(spec, options, before as Fields)
    if (document === null || after === null) {
      expect(document).toBe(after)
      return
    }
    const unnamed = ['@timestamp', '@version'].filter((name) => !(name in after))
    expect(Object.fromEntries(Object.entries(document).filter(([name]) => !unnamed.includes(name)))).toEqual(after)
  })
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
