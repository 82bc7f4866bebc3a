import { pipeline } from 'node:stream/promises'
import { readIsoTime } from '../core/time/iso-time.ts'
import { readSampleAddresses } from '../sample/addresses.ts'
import { exchangeLog, RATE } from '../sample/exchange-log.ts'
import { linesInTime } from '../sample/in-time.ts'
import { INCIDENTS } from '../sample/incidents.ts'
import { oneOf, wholeNumber } from './arguments.ts'
import { readFlags, type Tool, UsageError } from './tool.ts'

const NUMBER_MAX = 1e9

export const sample: Tool = {
  usage: `bin/millrace sample: write the log of an exchange that does not exist, a JSON object a line, to standard output

      --count N             how many lines                       (until it is stopped)
      --rate N              lines a second, also by their times; 0: as fast as they are read, their times as at ${RATE}  (${RATE})
      --seed N              the same number gives the same lines (1)
      --start TIME          time of the first line, such as 2026-01-02T00:00:00Z  (now)
      --incident NAME       what goes wrong: ${INCIDENTS.join(', ')}
      --incident-after S    when it begins, in seconds after the first line       (0)

  bin/millrace sample >>/var/log/exchange/app.log        for Filebeat to read
  bin/millrace sample --incident slow-api >>app.log &
  EXCHANGE_LOG=app.log bin/millrace -f config/exchange.json      the same without Filebeat, and metrics of it
`,
  run: async (words) => {
    const { values, positionals } = readFlags(words, {
      count: { type: 'string' },
      rate: { type: 'string', default: String(RATE) },
      seed: { type: 'string', default: '1' },
      start: { type: 'string' },
      incident: { type: 'string' },
      'incident-after': { type: 'string', default: '0' },
    })
    if (positionals[0] !== undefined) throw new UsageError(`expected flags only, got ${positionals[0]}`)
    const rate = wholeNumber('--rate', values.rate, 0, NUMBER_MAX)
    const start_ms = readStart(values.start)
    const lines = exchangeLog({
      seed: wholeNumber('--seed', values.seed, 0, NUMBER_MAX),
      start_ms,
      rate: rate || RATE,
      incident: values.incident === undefined ? undefined : oneOf('--incident', values.incident, INCIDENTS),
      incident_after_s: wholeNumber('--incident-after', values['incident-after'], 0, NUMBER_MAX),
      addresses: readSampleAddresses(),
    })
    const count = values.count === undefined ? Infinity : wholeNumber('--count', values.count, 1, NUMBER_MAX)
    async function* texts(): AsyncGenerator<string> {
      for await (const batch of linesInTime(lines, { start_ms, count, is_timed: rate > 0 }, new AbortController().signal)) {
        yield batch.map(({ line }) => `${line}\n`).join('')
      }
    }
    try {
      await pipeline(texts, process.stdout, { end: false })
    } catch (thrown) {
      // Who read our output (head, a pager) has seen enough.
      if ((thrown as NodeJS.ErrnoException).code !== 'EPIPE') throw thrown
    }
    return 0
  },
}

function readStart(text: string | undefined): number {
  if (text === undefined) return Date.now()
  const start_ms = readIsoTime(text)
  if (Number.isNaN(start_ms)) throw new UsageError(`--start: expected a time such as 2026-01-02T00:00:00Z, got ${text}`)
  return start_ms
}
