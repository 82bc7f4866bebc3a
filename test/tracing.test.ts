import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { settledBooks } from './helpers/books.ts'
import { freePort } from './helpers/free-port.ts'
import { startOtlpReceiver } from './helpers/otlp-receiver.ts'
import { Program } from './helpers/program.ts'
import { runTool } from './helpers/run-tool.ts'
import { temporaryFolder } from './helpers/temporary-folder.ts'

const PIPELINE = JSON.stringify({
  inputs: [{ stdin: { id: 'pipe', codec: 'json_lines' } }],
  filters: [{ span: { name: '%{method} %{endpoint}', kind: 'server', attributes: ['user_id'] } }],
  outputs: [{ file: { id: 'kept', path: '${MILLRACE_DATA}/out.ndjson' } }],
})

/** Four calls of one request: the API, which checks the balance and asks the engine, which asks the book. */
function request(number: number): string {
  const at = (ms: number): string => new Date(Date.UTC(2026, 0, 2) + number * 1_000 + ms).toISOString()
  const trace_id = number.toString(16).padStart(32, '0')
  const call = (span: string, parent: string | undefined, service: string, endpoint: string, end_ms: number, duration: number) =>
    JSON.stringify({
      '@timestamp': at(end_ms),
      trace_id,
      span_id: span,
      parent_span_id: parent,
      service,
      method: 'POST',
      endpoint,
      duration,
      status: number % 10 === 0 && service === 'wallet' ? 500 : 200,
      user_id: number,
    })
  // As logs come: who is asked ends first.
  return [
    call('2', '1', 'wallet', '/check', 20, 15),
    call('4', '3', 'book', '/match', 40, 5),
    call('3', '1', 'matching-engine', '/orders', 45, 22),
    call('1', undefined, 'exchange-api', '/api/orders', 50, 48),
  ].join('\n')
}

const REQUESTS = 400
const INPUT = `${Array.from({ length: REQUESTS }, (_, index) => request(index + 1)).join('\n')}\n`

async function runTo(endpoint: { readonly args?: readonly string[]; readonly env?: Record<string, string> }): Promise<Program> {
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'pipeline.json')
  await writeFile(file, PIPELINE)
  const program = await Program.spawn({ args: ['-f', file, ...(endpoint.args ?? [])], env: endpoint.env ?? {}, stdin: INPUT })
  expect(await program.exited, program.stderr).toEqual({ code: 0, signal: null })
  return program
}

test('logs of calls arrive as whole traces with their parents, a tenth of them, beside the program’s own', async () => {
  await using receiver = await startOtlpReceiver()
  await using _program = await runTo({
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant=exchange' },
  })
  expect(receiver.requests[0]).toMatchObject({ path: '/v1/traces', headers: { 'x-tenant': 'exchange' } })
  const calls = Map.groupBy(
    receiver.spans.filter(({ service }) => service !== 'millrace'),
    ({ traceId }) => traceId,
  )
  expect(calls.size).toBeGreaterThan(REQUESTS / 20)
  expect(calls.size).toBeLessThan(REQUESTS / 5)
  for (const spans of calls.values()) {
    const parents = new Map(spans.map(({ name, parentSpanId }) => [name, Number(parentSpanId ?? 0)]))
    expect(parents).toEqual(
      new Map([
        ['POST /check', 1],
        ['POST /match', 3],
        ['POST /orders', 1],
        ['POST /api/orders', 0],
      ]),
    )
    const root = spans.find(({ name }) => name === 'POST /api/orders')
    expect(Number(BigInt(root?.endTimeUnixNano ?? 0) - BigInt(root?.startTimeUnixNano ?? 0))).toBe(48_000_000)
    for (const span of spans) {
      expect(BigInt(span.startTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(root?.startTimeUnixNano ?? 0))
      expect(span.status.code).toBe(span.service === 'wallet' && Number(span.attributes['user_id']) % 10 === 0 ? 2 : 0)
    }
  }
}, 240_000)

test('all traces with a setting, the batches linked to those that are in their logs', async () => {
  await using receiver = await startOtlpReceiver()
  await using program = await runTo({ args: ['--tracing.endpoint', `${receiver.url}/`, '--tracing.sampling', '1'] })
  const calls = receiver.spans.filter(({ service }) => service !== 'millrace')
  expect(calls).toHaveLength(REQUESTS * 4)
  const own = receiver.spans.filter(({ service }) => service === 'millrace')
  const receives = own.filter(({ name }) => name === 'receive pipe')
  expect(receives.reduce((sum, { attributes }) => sum + Number(attributes['events']), 0)).toBe(REQUESTS * 4)
  expect(new Set(own.map(({ name }) => name))).toEqual(new Set(['receive pipe', 'filter', 'bulk kept']))
  expect(receives[0]?.links).toContainEqual(
    expect.objectContaining({ traceId: '1'.padStart(32, '0'), spanId: '2'.padStart(16, '0') }),
  )
  const ids = new Set(receives.map(({ spanId }) => spanId))
  for (const span of own) if (!receives.includes(span)) expect(ids).toContain(span.parentSpanId)
  expect(program.stderr).not.toContain('spans')
}, 240_000)

test('the exchange’s log becomes the calls of its services: every line of a kept trace, each below the one that asked', async () => {
  await using receiver = await startOtlpReceiver()
  await using folder = await temporaryFolder()
  const { stdout } = await runTool(['sample', '--count', '6000', '--rate', '0', '--start', '2026-03-01T12:00:00Z'])
  const path = join(folder.path, 'app.log')
  await writeFile(path, stdout)
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { trace_id?: string; span_id?: string; parent_span_id?: string; service: string })
  const env = { ELASTICSEARCH_URL: '', KAFKA_BROKERS: '', EXCHANGE_LOG: path, BEATS_PORT: String(await freePort()) }
  const args = ['-f', join(import.meta.dirname, '../config/exchange.json'), '--tracing.endpoint', receiver.url]
  await using program = await Program.start({ args, env })
  await settledBooks(program, lines.length)
  await program.stop()
  const calls = receiver.spans.filter(({ service }) => service !== 'millrace')
  const kept = new Set(calls.map(({ traceId }) => traceId))
  const expected = lines.filter(({ trace_id }) => trace_id !== undefined && kept.has(trace_id))
  const told = (trace?: string, span?: string, parent?: string, service?: unknown): string =>
    `${trace} ${span} below ${parent ?? 'none'} of ${String(service)}`
  expect(calls.map((call) => told(call.traceId, call.spanId, call.parentSpanId, call.service)).sort()).toEqual(
    expected.map((line) => told(line.trace_id, line.span_id, line.parent_span_id, line.service)).sort(),
  )
  expect(kept.size / new Set(lines.map(({ trace_id }) => trace_id)).size).toBeCloseTo(0.1, 1)
  expect(new Set(calls.map(({ service }) => service)).size).toBeGreaterThan(4)
  const there = new Set(calls.map(({ traceId, spanId }) => traceId + spanId))
  // A line is written when its work is done, so the sample may end before the one that asked for the last of it.
  const cut = lines.at(-1)?.trace_id
  for (const { traceId, parentSpanId } of calls) {
    if (parentSpanId !== undefined && traceId !== cut) expect(there).toContain(traceId + parentSpanId)
  }
}, 240_000)

test('an endpoint where nobody is holds up nothing, and the log says so', async () => {
  await using program = await runTo({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9', OTEL_TRACES_SAMPLER_ARG: '1' } })
  const stopped = /"time":"([^"]+)","kind":"stopped"/.exec(program.stderr)?.[1] ?? ''
  expect(Date.now() - Date.parse(stopped)).toBeLessThan(6_000)
  expect(program.stderr).toContain(`stored ${(REQUESTS * 4).toLocaleString('en')}`)
  expect(program.stderr).toContain('"level":"warn"')
  expect(program.stderr).toMatch(/spans were not taken: .*ECONNREFUSED.* No event is held up/)
  expect(program.stderr).not.toContain('"level":"error"')
}, 240_000)

test.each([
  [['--tracing.endpoint', 'jaeger:4318'], 'tracing.endpoint: expected a URL such as http://jaeger:4318, got jaeger:4318'],
  [['--tracing.sampling', '10'], 'tracing.sampling: expected a share from 0 to 1 such as 0.1, got 10'],
])('%j is refused', async (args, message) => {
  await using program = await Program.spawn({ args: ['-e', 'input { stdin {} }', ...args], stdin: '' })
  expect(await program.exited).toMatchObject({ code: 1 })
  expect(program.stderr).toContain(message)
})
