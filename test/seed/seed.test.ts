import { join } from 'node:path'
import { beforeAll, expect, test, vi } from 'vitest'
import { loadPipeline } from '../../src/config/load.ts'
import type { ComponentNode, ConfigValue, PlanNode } from '../../src/core/plan.ts'
import { DeadLetterBox } from '../../src/runtime/dead-letter-box.ts'
import { runPlan } from '../conformance/run-case.ts'
import { testContext } from '../helpers/context.ts'
import { temporaryFolder } from '../helpers/temporary-folder.ts'

beforeAll(() => {
  vi.stubEnv('MILLRACE_GEOIP_DATABASE', join(import.meta.dirname, '../../config/geoip/millrace-sample.mmdb'))
})

// The config is the user's own text, unchanged. Only its two ends are put elsewhere: the port, and what is printed.

const AT = { file: 'test', line: 1, column: 1 }
const text = (value: string): ConfigValue => ({ kind: 'string', at: AT, value })

function component(name: string, options: { readonly [option: string]: ConfigValue }): ComponentNode {
  return {
    kind: 'component',
    at: AT,
    name,
    options: Object.entries(options).map(([option, value]) => ({ name: option, at: AT, value })),
  }
}

function named(nodes: readonly PlanNode[]): ComponentNode[] {
  return nodes.filter((node) => node.kind === 'component')
}

/** What the config makes of the frames of one Filebeat window: for each the index and the document. */
async function run(events: readonly object[]): Promise<{ index: string; document: { [field: string]: unknown } }[]> {
  await using folder = await temporaryFolder()
  const { plan, problems } = await loadPipeline(join(import.meta.dirname, 'logstash.conf'), {})
  expect(problems).toEqual([])
  expect([plan.inputs, plan.filters, plan.outputs].map((nodes) => named(nodes).map(({ name }) => name))).toEqual([
    ['beats'],
    ['json', 'mutate', 'geoip'],
    ['elasticsearch'],
  ])
  const index = named(plan.outputs)[0]?.options.find(({ name }) => name === 'index')?.value
  if (index?.kind !== 'string') throw new Error('expected an index')
  const printed = text(`{"index":"${index.value}"}`)
  const codec: ConfigValue = { kind: 'component', at: AT, name: 'line', options: [{ name: 'format', at: AT, value: printed }] }
  const { log, metrics } = testContext()
  await using deadLetters = await DeadLetterBox.open(folder.path, metrics, log)
  const inputs = [component('beats', { host: text('127.0.0.1'), port: { kind: 'number', at: AT, value: 0, text: '0' } })]
  const lines = events.map((event) => Buffer.from(JSON.stringify(event)))
  const outputOf = async (outputs: PlanNode[]): Promise<{ [field: string]: unknown }[]> => {
    const { refused, output } = await runPlan({ ...plan, inputs, outputs }, lines, deadLetters, Date.UTC(2025, 0, 1))
    expect(refused).toBeUndefined()
    return output
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { [field: string]: unknown })
  }
  const documents = await outputOf([component('stdout', { codec: text('json_lines') })])
  const indices = await outputOf([component('stdout', { codec })])
  return documents.map((document, at) => ({ index: String(indices[at]?.['index']), document }))
}

/** A frame as the Filebeat of filebeat.yml sends it. */
function frame(fields: object): object {
  return {
    '@timestamp': '2024-12-30T23:59:59.500Z',
    '@metadata': { beat: 'filebeat', type: '_doc', version: '8.15.0' },
    log: { file: { path: '/var/log/exchange/api.log' }, offset: 0 },
    input: { type: 'log' },
    fields: { service: 'exchange-api', env: 'production' },
    agent: { type: 'filebeat' },
    ...fields,
  }
}

test('a line of JSON becomes fields, with where the address lies, in the index of its day', async () => {
  const message = '{"level":"error","order_id":12345678901234567890,"price":1.10,"ip":"81.2.69.160"}'
  const [stored] = await run([frame({ message })])
  expect(stored?.index).toBe('exchange-logs-2024.12.30')
  expect(stored?.document).toMatchObject({
    '@timestamp': '2024-12-30T23:59:59.500Z',
    '@version': '1',
    message,
    level: 'error',
    price: 1.1,
    ip: '81.2.69.160',
    geoip: { ip: '81.2.69.160', country_code2: 'GB', city_name: 'London' },
    fields: { service: 'exchange-api', env: 'production' },
    log: { file: { path: '/var/log/exchange/api.log' } },
    tags: ['beats_input_codec_plain_applied'],
  })
  expect(stored?.document).not.toHaveProperty('@metadata')
})

test('what Filebeat decoded already, with its keys at the root, stays as it came', async () => {
  const decoded = { level: 'info', msg: 'order placed', ip: '89.160.20.112' }
  const [without, withMessage, failed] = await run([
    frame(decoded),
    frame({ ...decoded, message: 'order placed' }),
    frame({ message: 'panic: no JSON', error: { type: 'json', message: 'Error decoding JSON: invalid character' } }),
  ])
  expect(without?.document).toMatchObject({ ...decoded, tags: ['beats_input_raw_event'], geoip: { country_code2: 'SE' } })
  expect(withMessage?.document).toMatchObject({
    ...decoded,
    message: 'order placed',
    tags: ['beats_input_codec_plain_applied', '_jsonparsefailure'],
  })
  expect(failed?.document).toMatchObject({
    error: { type: 'json' },
    tags: ['beats_input_codec_plain_applied', '_jsonparsefailure', '_geoip_lookup_failure'],
  })
})

test.each([
  ['10.0.0.1', {}],
  ['not an address', {}],
  [null, undefined],
  [undefined, undefined],
])('an ip of %j has no place, which a tag tells', async (ip, geoip) => {
  const [stored] = await run([frame({ message: JSON.stringify({ ip }) })])
  expect(stored?.document['tags']).toEqual(['beats_input_codec_plain_applied', '_geoip_lookup_failure'])
  expect(stored?.document['geoip']).toEqual(geoip)
})
