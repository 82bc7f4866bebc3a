import { expect, test } from 'vitest'
import { testContext } from '../../test/helpers/context.ts'
import { buildFilter } from '../../test/helpers/run-filter.ts'
import { EVENT_STATES, type EventState } from '../core/event.ts'
import type { Fields } from '../core/values.ts'
import { metric } from './metric.ts'

type Options = { readonly [name: string]: unknown }

/** Runs the filter on all documents, settles them, and returns what /metrics prints below the metric's name. */
async function countIn(options: Options, documents: (Fields | string)[], state: EventState = 'stored'): Promise<string[]> {
  const context = testContext()
  const filter = await buildFilter(metric, { name: 'm', type: 'counter', ...options }, context)
  for (const document of documents) filter(document).event.settle(state)
  const lines = (await context.metrics.text()).split('\n')
  return lines.filter((line) => line !== '' && !line.startsWith('#') && !/^millrace.* 0$/.test(line))
}

test('a counter adds one for each event of a label set', async () => {
  const labels = { service: '%{service}' }
  expect(await countIn({ labels }, [{ service: 'api' }, { service: 'web' }, { service: 'api' }])).toEqual([
    'm{service="api"} 2',
    'm{service="web"} 1',
  ])
})

test('an event counts once, when it settles, and not before', async () => {
  const context = testContext()
  const filter = await buildFilter(metric, { name: 'm', type: 'counter' }, context)
  const { event } = filter({})
  expect(context.metrics.derivedTotal('m')).toBe(0)
  event.settle('stored')
  event.settle('stored')
  expect(context.metrics.derivedTotal('m')).toBe(1)
})

test.each(EVENT_STATES)('an event that ended %s counts, unless it was there already', async (state) => {
  const counted = await countIn({ labels: { a: 'x' } }, [{}], state)
  expect(counted).toEqual(state === 'already_there' ? [] : ['m{a="x"} 1'])
})

test('what counts is what the event held at the filter, not what it held later', async () => {
  const context = testContext()
  const filter = await buildFilter(metric, { name: 'm', type: 'counter', labels: { level: '%{level}' } }, context)
  const { event } = filter({ level: 'error' })
  event.remove({ text: 'level', in_metadata: false, path: ['level'] })
  event.settle('stored')
  expect(await context.metrics.text()).toContain('m{level="error"} 1')
})

test('a label that is missing, null or empty is unknown', async () => {
  const labels = { path: '%{[url][path]}', key: 'env-%{env}' }
  expect(await countIn({ labels }, [{}, { url: { path: null }, env: 'prod' }, { url: { path: '' }, env: null }])).toEqual([
    'm{key="unknown",path="unknown"} 2',
    'm{key="env-prod",path="unknown"} 1',
  ])
})

test('an optional label is left out where its field is missing, and kinds of metrics keep such a set apart', async () => {
  const options = { labels: { host: '%{[host][name]}', state: 'a' }, optional_labels: ['host'], value: 'n' }
  const documents = [{ n: 1, host: { name: 'api-01' } }, { n: 2 }, { n: 3, host: 'api-02' }, { n: 4, host: { name: '' } }]
  expect(await countIn(options, documents)).toEqual(['m{host="api-01",state="a"} 1', 'm{state="a"} 9'])
  const summary = await countIn({ ...options, type: 'summary', quantiles: [1] }, documents)
  expect(summary.filter((line) => line.startsWith('m_count'))).toEqual([
    'm_count{host="api-01",state="a"} 1',
    'm_count{state="a"} 3',
  ])
  expect(await countIn({ labels: { host: '%{host}' }, optional_labels: ['host'] }, [{}, {}])).toEqual(['m 2'])
})

test('gauges of several hosts stand side by side with a label of the host, whoever told last', async () => {
  const options = { type: 'gauge', value: 'depth', labels: { host: '%{host}' }, optional_labels: ['host'] }
  const told = [7, 1, 9, 2].map((depth, index) => ({
    '@timestamp': `2026-01-01T00:00:0${index}Z`,
    depth,
    host: index % 2 === 0 ? 'a' : 'b',
  }))
  expect(await countIn(options, told)).toEqual(['m{host="a"} 9', 'm{host="b"} 2'])
})

test('label values that hold each other’s separators stay apart', async () => {
  const labels = { a: '%{a}', b: '%{b}' }
  const documents = [
    { a: '1:x', b: 'y' },
    { a: '1', b: ':xy' },
    { a: '', b: '1:x' },
  ]
  expect(await countIn({ labels }, documents)).toHaveLength(3)
})

test('the numbers of a field are added, text and long integers too, times the scale', async () => {
  const documents = ['{"n": 1.50}', '{"n": " 2.5 "}', '{"n": 9007199254740993}', '{"n": 1e3}']
  expect(await countIn({ value: 'n', scale: 2 }, documents)).toEqual([`m ${(9007199254740992 + 1004) * 2}`])
})

test('a value that is missing or no number is counted as skipped, and the event gets no tag', async () => {
  const documents: (Fields | string)[] = [
    {},
    { n: null },
    { n: 'much' },
    { n: '0x10' },
    { n: true },
    { n: [1] },
    { n: -1 },
    '{"n": 1e999}',
  ]
  expect(await countIn({ value: 'n' }, documents)).toEqual(['m 0', 'millrace_metric_values_skipped_total{metric="m"} 8'])
  const { event } = (await buildFilter(metric, { name: 'm', type: 'counter', value: 'n', add_tag: ['counted'] }))({ n: 'much' })
  expect(JSON.parse(event.toJsonText())).not.toHaveProperty('tags')
})

test('a gauge takes the value of the event with the newest time', async () => {
  const documents = [
    { '@timestamp': '2026-01-01T00:00:02Z', depth: 2 },
    { '@timestamp': '2026-01-01T00:00:03Z', depth: 3 },
    { '@timestamp': '2026-01-01T00:00:01Z', depth: 1 },
  ]
  expect(await countIn({ type: 'gauge', value: 'depth' }, documents)).toEqual(['m 3'])
})

test('a gauge can add as well, negative values too', async () => {
  expect(await countIn({ type: 'gauge', value: 'change', op: 'add' }, [{ change: 5 }, { change: -2 }])).toEqual(['m 3'])
})

test('a summary prints its quantiles, sum and count', async () => {
  const documents = Array.from({ length: 101 }, (_, ms) => ({ ms }))
  const lines = await countIn({ type: 'summary', value: 'ms', quantiles: [0.5] }, documents)
  expect(Number(/^m\{quantile="0.5"\} ([\d.]+)$/.exec(lines[0] ?? '')?.[1])).toBeCloseTo(50, -0.3)
  expect(lines.slice(1)).toEqual(['m_sum 5050', 'm_count 101'])
})

test('a value that a scale brings to a bound of a bucket lies in that bucket', async () => {
  const documents = [9, 51, 77, 1_100].map((ms) => ({ ms }))
  const options = { type: 'histogram', value: 'ms', scale: 0.001, buckets: [0.009, 0.051, 0.077, 1.1] }
  const lines = await countIn(options, documents)
  const buckets = lines.filter((line) => line.startsWith('m_bucket'))
  expect(buckets.map((line) => line.split(' ')[1])).toEqual(['1', '2', '3', '4', '4'])
})

test('further label sets fold into one', async () => {
  const documents = Array.from({ length: 50 }, (_, user) => ({ user }))
  expect(await countIn({ labels: { user: '%{user}' }, max_label_sets: 1 }, documents)).toEqual([
    'millrace_metric_label_sets_folded_total{metric="m"} 49',
    'm{user="0"} 1',
    'm{user="__other__"} 49',
  ])
})

test('two filters that list the labels in another order feed one metric', async () => {
  const context = testContext()
  for (const labels of [
    { a: '1', b: '2' },
    { b: '2', a: '1' },
  ]) {
    const filter = await buildFilter(metric, { name: 'm', type: 'counter', labels }, context)
    filter({}).event.settle('stored')
  }
  expect(await context.metrics.text()).toContain('m{a="1",b="2"} 2')
})

test.each([
  [{ type: 'counter', op: 'set', value: 'n' }, 'a counter only grows'],
  [{ type: 'gauge', op: 'set' }, 'op set needs the option value'],
  [{ type: 'counter', op: 'inc', value: 'n' }, 'op inc adds 1 and takes no value'],
  [{ type: 'histogram' }, 'a histogram needs the option value'],
  [{ type: 'summary', value: 'n', op: 'add' }, 'a summary observes values: leave out op'],
  [{ type: 'counter', name: 'a b' }, 'metric "a b": expected a name of letters'],
  [{ type: 'counter', labels: { a: ['x'] } }, 'label a: expected text, got a list'],
  [{ type: 'counter', labels: { a: 'x' }, optional_labels: ['b'] }, 'optional_labels: b is none of the labels'],
  [{ type: 'count' }, 'did you mean counter?'],
])('%j is refused with what to do', async (options: Options, message) => {
  await expect(buildFilter(metric, { name: 'm', ...options })).rejects.toThrow(message)
})
