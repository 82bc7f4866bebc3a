import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { settledBooks } from './books.ts'
import { freePort } from './free-port.ts'
import { type ReceivedSpan, startOtlpReceiver } from './otlp-receiver.ts'
import { Program } from './program.ts'
import { temporaryFolder } from './temporary-folder.ts'

const CONFIG = join(import.meta.dirname, '../../config/exchange.json')
const GAP = 2

/** What config/exchange.json sends to an endpoint for traces about the lines of one trace, as docs/exchange.md shows it. */
export async function callTree(lines: readonly string[]): Promise<string> {
  await using receiver = await startOtlpReceiver()
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'app.log')
  await writeFile(path, lines.map((line) => `${line}\n`).join(''))
  const env = { ELASTICSEARCH_URL: '', KAFKA_BROKERS: '', EXCHANGE_LOG: path, BEATS_PORT: String(await freePort()) }
  const args = ['-f', CONFIG, '--tracing.endpoint', receiver.url, '--tracing.sampling', '1']
  await using program = await Program.start({ args, env })
  await settledBooks(program, lines.length)
  await program.stop()
  return drawn(receiver.spans.filter(({ service }) => service !== 'millrace'))
}

/** A line for each span below the one that asked: what was called, of whom, and for how long. */
function drawn(spans: readonly ReceivedSpan[]): string {
  const below = (parent: string | undefined): ReceivedSpan[] =>
    spans.filter(({ parentSpanId = '' }) => parentSpanId === (parent ?? '')).toSorted((a, b) => (a.name < b.name ? -1 : 1))
  const rows: (readonly [name: string, service: string, time: string])[] = []
  const add = (span: ReceivedSpan, branch: string, margin: string): void => {
    const time_ms = Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1e6
    rows.push([branch + span.name, String(span.service), `${time_ms} ms`])
    const asked = below(span.spanId)
    for (const [index, child] of asked.entries()) {
      const is_last = index === asked.length - 1
      add(child, `${margin}${is_last ? '└' : '├'} `, `${margin}${is_last ? ' ' : '│'} `)
    }
  }
  for (const root of below(undefined)) add(root, '', '')
  const [names, services] = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)) + GAP)
  return rows.map(([name, service, time]) => name.padEnd(names ?? 0) + service.padEnd(services ?? 0) + time).join('\n')
}
