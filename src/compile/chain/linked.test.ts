import { expect, test } from 'vitest'
import { startPipeline, TestEnds } from '../../../test/helpers/pipeline.ts'
import { type AnySpec, defineFilter } from '../../core/component.ts'
import type { Fields } from '../../core/values.ts'

/** A filter that sees whole batches, so that the chain is cut into stages. */
const staging = defineFilter({
  name: 'staging',
  summary: 'of a test',
  options: {},
  examples: [],
  compile: () => ({ step: () => {}, prepare: () => {} }),
})

class Ends extends TestEnds {
  override get specs(): readonly AnySpec[] {
    return [...super.specs, staging]
  }
}

const CLONES = { clone: { clones: ['c1', 'c2'] } }
const mark = (text: string) => ({ mutate: { add_field: { path: text } } })

/** What became of events, by their types or parts and the marks on their way. */
async function order(filters: readonly object[], events: readonly Fields[]): Promise<string[]> {
  const ends = new Ends()
  await using running = await startPipeline({ inputs: [{ test: {} }], filters, outputs: [{ test: {} }] }, ends)
  const { settled } = await ends.feed(events)
  expect(await settled).toBe('stored')
  expect(running.pipeline.ledger.totals()).toMatchObject({ unbalanced: 0 })
  return ends.stored.map(({ n, l, type, path }) => [n, l, type ?? 'original', path].flat().filter(Boolean).join(' '))
}

test.each([
  ['event by event', []],
  ['in stages', [{ staging: {} }]],
])('events made of one stay together; an if takes those first for which it holds: %s', async (_how, filters) => {
  expect(await order([CLONES, ...filters, mark('a')], [{ n: 1 }, { n: 2 }])).toEqual([
    '1 original a',
    '1 c1 a',
    '1 c2 a',
    '2 original a',
    '2 c1 a',
    '2 c2 a',
  ])
  const branches = [
    { if: '[type] == "c2"', then: [mark('two')], else: [{ if: '[type] == "c1"', then: [mark('one')], else: [mark('none')] }] },
    { if: '[type]', then: [], else: [mark('last')] },
  ]
  expect(await order([CLONES, ...filters, ...branches], [{ n: 1 }, { n: 2 }])).toEqual([
    '1 c2 two',
    '1 c1 one',
    '1 original none last',
    '2 c2 two',
    '2 c1 one',
    '2 original none last',
  ])
})

test.each([
  ['event by event', []],
  ['in stages', [{ staging: {} }]],
])('parts may be dropped, cut again and cloned in a branch: %s', async (_how, filters) => {
  const chain = [
    { split: { field: 'l' } },
    ...filters,
    { if: '[l] == "b"', then: [{ drop: {} }] },
    { if: '[l] == "c"', then: [{ clone: { clones: ['x'] } }, mark('in')] },
    { split: { field: 'l', terminator: '+' } },
  ]
  expect(await order(chain, [{ l: ['a+d', 'b', 'c'] }, { l: ['e'] }])).toEqual([
    'c original in',
    'c x in',
    'a original',
    'd original',
    'e original',
  ])
})
