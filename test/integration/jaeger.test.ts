import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { settledBooks } from '../helpers/books.ts'
import { freePort } from '../helpers/free-port.ts'
import { goTool } from '../helpers/go-tools.ts'
import { Program } from '../helpers/program.ts'
import { runTool } from '../helpers/run-tool.ts'
import { ServerProcess } from '../helpers/server-process.ts'
import { temporaryFolder } from '../helpers/temporary-folder.ts'
import { waitFor } from '../helpers/wait-for.ts'

interface JaegerTrace {
  readonly spans: readonly {
    readonly spanID: string
    readonly operationName: string
    readonly duration: number
    readonly references: readonly { readonly refType: string; readonly spanID: string }[]
    readonly processID: string
  }[]
  readonly processes: { readonly [id: string]: { readonly serviceName: string } }
}

/** All of its doors, on 127.0.0.1. */
async function startJaeger(path: string) {
  const [admin, otlp, query] = [await freePort(), await freePort(), await freePort()]
  const others = [
    'collector.grpc-server',
    'collector.http-server',
    'collector.otlp.grpc',
    'http-server',
    'processor.jaeger-binary.server',
    'processor.jaeger-compact.server',
    'processor.zipkin-compact.server',
    'query.grpc-server',
  ]
  const flag = (name: string, port: number): string =>
    `--${name}${name.endsWith('server') && name.startsWith('processor') ? '-host-port' : '.host-port'}=127.0.0.1:${port}`
  const flags = [flag('admin.http', admin), flag('collector.otlp.http', otlp), flag('query.http-server', query)]
  for (const name of others) flags.push(flag(name, await freePort()))
  const isReady = async (): Promise<boolean> => (await fetch(`http://127.0.0.1:${admin}/`)).ok
  const server = await ServerProcess.create({ name: 'jaeger', command: () => [path, ...flags], env: {}, isReady })
  await server.start()
  return {
    otlp: `http://127.0.0.1:${otlp}`,
    ask: async <T>(at: string): Promise<T> => {
      const answer = await fetch(`http://127.0.0.1:${query}/api/${at}`)
      return ((await answer.json()) as { data: T }).data
    },
    [Symbol.asyncDispose]: () => server.remove(),
  }
}

// Building Jaeger takes ten minutes, so it is asked for: MILLRACE_JAEGER=1.
test('Jaeger shows the calls of an order, each below the one that asked', { timeout: 1_800_000 }, async (context) => {
  if (process.env['MILLRACE_JAEGER'] !== '1')
    return context.skip('MILLRACE_JAEGER=1 builds Jaeger from its Go module and asks it')
  const jaegerTool = await goTool('jaeger')
  if ('unavailable' in jaegerTool) return context.skip(jaegerTool.unavailable)
  await using jaeger = await startJaeger(jaegerTool.path)
  await using folder = await temporaryFolder()
  const { stdout } = await runTool(['sample', '--count', '2000', '--rate', '0'])
  const path = join(folder.path, 'app.log')
  await writeFile(path, stdout)
  const env = { ELASTICSEARCH_URL: '', KAFKA_BROKERS: '', EXCHANGE_LOG: path, BEATS_PORT: String(await freePort()) }
  const tracing = ['--tracing.endpoint', jaeger.otlp, '--tracing.sampling', '1']
  await using program = await Program.start({
    args: ['-f', join(import.meta.dirname, '../../config/exchange.json'), ...tracing],
    env,
  })
  await settledBooks(program, 2_000)
  await program.stop()
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { action: string; trace_id: string })
  const trace_id = lines.find(({ action }) => action === 'trade_executed')?.trace_id
  const [trace] = await waitFor('the trace', async () => await jaeger.ask<JaegerTrace[]>(`traces/${trace_id}`))
  const named = new Map(trace?.spans.map(({ spanID, operationName }) => [spanID, operationName]))
  const calls = trace?.spans.map(({ operationName, references, processID }) => [
    operationName,
    trace.processes[processID]?.serviceName,
    references.map(({ refType, spanID }) => `${refType} ${named.get(spanID)}`),
  ])
  expect(calls?.sort()).toEqual([
    ['POST /api/orders', 'exchange-api', []],
    ['order_matched', 'matching-engine', ['CHILD_OF order_placed']],
    ['order_placed', 'order-service', ['CHILD_OF POST /api/orders']],
    ['trade_executed', 'settlement', ['CHILD_OF order_placed']],
  ])
  expect(await jaeger.ask<string[]>('services')).toEqual(
    expect.arrayContaining([
      'exchange-api',
      'market-data',
      'matching-engine',
      'millrace',
      'order-service',
      'settlement',
      'wallet',
    ]),
  )
})
