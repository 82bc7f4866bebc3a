import { expect, test } from 'vitest'
import { loadConfig } from '../../config/load.ts'
import { placePipelines } from './placement.ts'

async function planOf(id: string, workers: number, text: string) {
  const settings = new Map(
    [
      ['pipeline.id', id],
      ['pipeline.workers', String(workers)],
    ].map(([name = '', value = '']) => [name, { value, at: { file: 'f', line: 1, column: 1 } }]),
  )
  const [loaded] = await loadConfig({ text, settings, variables: {} })
  if (loaded === undefined) throw new Error('there is no plan')
  return loaded.plan
}

const BEATS = 'input { beats { port => 1 } }'
const toPipeline = (address: string): string => `output { if [a] { pipeline { send_to => ["${address}"] } } else { null {} } }`
const fromPipeline = (address: string): string => `input { pipeline { address => "${address}" } }`
const FILE = 'output { file { path => "/tmp/x" } }'

test.each<readonly [string, readonly (readonly [id: string, workers: number, text: string, why_alone?: string])[], object]>([
  [
    'each as it wants, up to what there is',
    [
      ['a', 4, `${BEATS} ${toPipeline('no')}`],
      ['b', 1, BEATS],
    ],
    { a: 3, b: 1 },
  ],
  [
    'a receiver runs where its senders do',
    [
      ['a', 3, `${BEATS} ${toPipeline('b')}`],
      ['b', 1, fromPipeline('b')],
    ],
    { a: 3, b: 3 },
  ],
  [
    'and not where they do not',
    [
      ['a', 1, `${BEATS} ${toPipeline('b')}`],
      ['b', 3, fromPipeline('b')],
    ],
    { a: 1, b: 1 },
  ],
  [
    'whose receiver is alone is alone, over several',
    [
      ['a', 3, `${BEATS} ${toPipeline('b')}`],
      ['b', 3, `${fromPipeline('b')} ${toPipeline('c')}`],
      ['c', 3, `${fromPipeline('c')} ${FILE}`, 'there can be only one file'],
      ['d', 2, BEATS],
    ],
    { a: 1, b: 1, c: 1, d: 2 },
  ],
])('%s', async (_, pipelines, expected) => {
  const plans = await Promise.all(pipelines.map(async ([id, workers, text]) => await planOf(id, workers, text)))
  const traits = new Map(
    pipelines.map(([id, , , why_alone]) => [id, { id, why_alone, remembers: [], warnings: [], bindings: [] }]),
  )
  const places = placePipelines(plans, traits, 3)
  expect(Object.fromEntries([...places].map(([id, { workers }]) => [id, workers]))).toEqual(expected)
})
