import { appendFile, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readSamples, settledBooks } from './helpers/books.ts'
import { filebeatEvent, startDefaultPipeline } from './helpers/default-pipeline.ts'
import { exchangeFigures, keyOf } from './helpers/exchange-figures.ts'
import { freePort } from './helpers/free-port.ts'
import { encodeWindow } from './helpers/lumberjack-client.ts'
import { Program } from './helpers/program.ts'
import { runTool } from './helpers/run-tool.ts'
import { startStubElasticsearch } from './helpers/stub-elasticsearch.ts'
import { temporaryFolder } from './helpers/temporary-folder.ts'

const CONFIGS = join(import.meta.dirname, '../config')
const WINDOW_LINES = 500
// A program is started, or two, which takes long on a busy machine.
const TIMEOUT_MS = 240_000
const FIELDS = { service: 'exchange-api', env: 'production' }

/** 2,500 usual lines and 1,500 of a bad time, as `bin/millrace sample` writes them. */
async function sampleLines(seed: number): Promise<string[]> {
  const usual = ['--seed', String(seed), '--rate', '0', '--start', '2026-03-01T12:00:00Z', '--count', '4000']
  const { stdout } = await runTool(['sample', ...usual, '--incident', 'error-burst', '--incident-after', '5'])
  return stdout.trimEnd().split('\n')
}

/** What /metrics tells of the exchange must be what its log tells, all of it and nothing else. */
function expectFigures(metrics: string, lines: readonly string[]): void {
  const { exact, quantiles } = exchangeFigures(lines)
  const told = new Map(
    readSamples(metrics).flatMap(({ name, labels, value }) =>
      name.startsWith('exchange_') ? [[keyOf(name, labels), value]] : [],
    ),
  )
  expect([...told.keys()].sort()).toEqual([...exact.keys(), ...quantiles.keys()].sort())
  for (const [key, value] of exact) expect(Math.abs((told.get(key) ?? Number.NaN) - value), key).toBeLessThanOrEqual(1e-9 * value)
  for (const [key, { quantile, values }] of quantiles) {
    const value = values[Math.floor(quantile * (values.length - 1))] ?? 0
    expect(Math.abs((told.get(key) ?? Number.NaN) - value), key).toBeLessThanOrEqual(0.0101 * value)
  }
}

test(
  'from a file: every metric of the exchange has the value that its log gives, also while the file grows',
  async () => {
    await using folder = await temporaryFolder()
    const lines = await sampleLines(11)
    const path = join(folder.path, 'app.log')
    const write = async (from: number, to: number): Promise<void> => {
      await appendFile(
        path,
        lines
          .slice(from, to)
          .map((line) => `${line}\n`)
          .join(''),
      )
    }
    await write(0, 2_000)
    const env = { ELASTICSEARCH_URL: '', KAFKA_BROKERS: '', EXCHANGE_LOG: path, BEATS_PORT: String(await freePort()) }
    await using program = await Program.start({ args: ['-f', join(CONFIGS, 'exchange.json')], env })
    await settledBooks(program, 2_000)
    expectFigures(await program.metrics(), lines.slice(0, 2_000))
    await write(2_000, lines.length)
    const { states } = await settledBooks(program, lines.length)
    expect(states).toEqual({ stored: lines.length })
    expectFigures(await program.metrics(), lines)
    const [file = ''] = (await readdir(program.data)).filter((name) => name.endsWith('.ndjson'))
    expect((await readFile(join(program.data, file), 'utf8')).split('\n')).toHaveLength(lines.length + 1)
  },
  TIMEOUT_MS,
)

test(
  'exchange.json and exchange.conf make the same events and the same metrics of what Filebeat sends',
  async () => {
    const lines = await sampleLines(12)
    const documents: Map<string, unknown>[] = []
    for (const name of ['exchange.json', 'exchange.conf']) {
      const stub = await startStubElasticsearch()
      await using pipeline = await startDefaultPipeline({ elasticsearch_url: stub.url, config: join(CONFIGS, name) })
      await using client = await pipeline.connect()
      for (let from = 0; from < lines.length; from += WINDOW_LINES) {
        const window = lines.slice(from, from + WINDOW_LINES)
        await client.send(encodeWindow(window.map((line, index) => ({ ...filebeatEvent(line, from + index), fields: FIELDS }))))
      }
      await settledBooks(pipeline.program, lines.length)
      expectFigures(await pipeline.program.metrics(), lines)
      documents.push(
        new Map([...stub.documents].flatMap(([index, stored]) => [...stored].map(([id, source]) => [`${index}/${id}`, source]))),
      )
      await stub.close()
    }
    const [fromJson, fromConf] = documents
    expect(fromJson?.size).toBe(lines.length)
    expect(fromConf).toEqual(fromJson)
  },
  TIMEOUT_MS,
)
