import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { defineInput } from '../../core/component.ts'
import type { InputContext, Source } from '../../core/contracts.ts'
import type { Event, Origin } from '../../core/event.ts'
import * as option from '../../core/options/options.ts'
import { type ExchangeLogLine, exchangeLogLines, PUBLIC_ADDRESSES } from './exchange-log.ts'

/** Often enough to look steady, seldom enough to cost nothing. */
const TICK_MS = 50
/** As many lines as a pipeline's batch usually has. */
const BATCH_LINES = 2_048

export const sample = defineInput({
  name: 'sample',
  summary: 'Makes a sample of an exchange log, so that something can be seen before real logs arrive.',
  description:
    'Each event looks as Filebeat would send it: the JSON line in `message`, `[fields][service]` and `[fields][env]` ' +
    'beside it. 2 % of the lines are errors, 3 % took longer than a second. The same seed gives the same lines, their times ' +
    'aside: these begin when the input starts. It ends after `count` lines, and in the default pipeline at the first real event.',
  default_codec: 'plain',
  options: {
    count: option.integer('How many lines.', { default: 10_000, min: 1 }),
    rate: option.integer('Lines a second; 0 is as fast as they can be handed on.', { default: 500, min: 0 }),
    seed: option.integer('The beginning of the random numbers.', { default: 1 }),
  },
  examples: [{ title: 'A minute of a busy exchange', options: { count: 300_000, rate: 5_000 } }],
  finite: true,
  yields: true,
  create: (options, context): Source => ({
    run: async (deliver, stop) => {
      const { count, rate, seed } = options
      const lines = exchangeLogLines({
        seed,
        count,
        start_ms: context.clock.now(),
        interval_ms: rate === 0 ? 0 : 1_000 / rate,
        addresses: readAddresses(),
      })
      const started_ms = performance.now()
      let sent = 0
      while (sent < count && !stop.aborted) {
        const due = rate === 0 ? count : Math.ceil(((performance.now() - started_ms + TICK_MS) * rate) / 1_000)
        const batch: Event[] = []
        while (sent < Math.min(due, count) && batch.length < BATCH_LINES) {
          const next = lines.next()
          if (next.done === true) break
          sent++
          batch.push(createSampleEvent(context, next.value, sent))
        }
        if (batch.length > 0) await deliver(batch)
        if (batch.length < BATCH_LINES && sent < count) await pause(stop)
      }
    },
  }),
})

function createSampleEvent(context: InputContext, { line, service, env }: ExchangeLogLine, number: number): Event {
  const origin: Origin = { input: context.id, describe: () => `sample line ${number}`, stableId: () => undefined }
  return context.createEvent({ fields: { message: line, fields: { service, env } }, exact: false }, origin, line.length)
}

async function pause(stop: AbortSignal): Promise<void> {
  await delay(TICK_MS, undefined, { signal: stop }).catch(() => {}) // The loop looks at `stop` itself.
}

/** The addresses that the built-in GeoIP database covers, so that the sample shows places. */
function readAddresses(): readonly string[] {
  try {
    const { networks } = JSON.parse(readFileSync(SAMPLE_NETWORKS, 'utf8')) as { networks: { sample_address: string }[] }
    const addresses = networks.map(({ sample_address }) => sample_address).filter((address) => typeof address === 'string')
    return addresses.length > 0 ? addresses : PUBLIC_ADDRESSES
  } catch {
    return PUBLIC_ADDRESSES
  }
}

const SAMPLE_NETWORKS = join(import.meta.dirname, '..', '..', '..', 'config', 'geoip', 'sample.json')
