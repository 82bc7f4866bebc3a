import { defineInput } from '../core/component.ts'
import type { InputContext, Source } from '../core/contracts.ts'
import type { Event, Origin } from '../core/event.ts'
import * as option from '../core/options/options.ts'
import { readSampleAddresses } from '../sample/addresses.ts'
import { exchangeLog, RATE } from '../sample/exchange-log.ts'
import { linesInTime } from '../sample/in-time.ts'
import { INCIDENTS } from '../sample/incidents.ts'
import type { SampleLine } from '../sample/sample-line.ts'

export const sample = defineInput({
  name: 'sample',
  summary: 'Makes a sample of an exchange log, so that something can be seen before real logs arrive.',
  description: `
Each event looks as Filebeat would send it: the JSON line in \`message\`, \`[fields][service]\` and \`[fields][env]\` beside it. The
lines tell of requests, what comes of them (orders, matching, trades, cancels, deposits, withdrawals), and how things stand
(pool of the database, sessions, books, balances): config/exchange.json makes the exchange's metrics of them. 2 % of the requests
fail, one in 400 takes longer than a second. The same seed gives the same lines, their times aside: these begin when the input
starts. It ends after \`count\` lines, and in the default pipeline at the first real event. \`bin/millrace sample\` writes the same
lines to standard output.

An \`incident\` is what an alert is there for: \`error-burst\` (three of ten requests fail, nearly all with 5xx), \`slow-api\` (a fifth
takes longer than a second), \`matching-slow\` (8 to 80 ms instead of up to 6), \`volume-spike\` (trades of 25 times the size),
\`db-pool\` (20 to 60 wait for a connection), \`kafka-lag\` (99 lines for debugging come with each other one, more than who reads them is made for).
`.trim(),
  default_codec: 'plain',
  options: {
    count: option.integer('How many lines.', { default: 10_000, min: 1 }),
    rate: option.integer('Lines a second; 0 is as fast as they can be handed on.', { default: RATE, min: 0 }),
    seed: option.integer('The beginning of the random numbers.', { default: 1 }),
    incident: option.oneOf('What goes wrong at the exchange.', INCIDENTS),
    incident_after_s: option.number('When it begins, in seconds after the first line.', { default: 0, min: 0 }),
  },
  examples: [
    { title: 'A minute of a busy exchange', options: { count: 300_000, rate: 5_000 } },
    { title: 'Errors after a quiet minute', options: { count: 60_000, incident: 'error-burst', incident_after_s: 60 } },
  ],
  finite: true,
  yields: true,
  create: ({ count, rate, seed, incident, incident_after_s }, context): Source => ({
    run: async (deliver, stop) => {
      const start_ms = context.clock.now()
      const addresses = readSampleAddresses()
      const lines = exchangeLog({ seed, start_ms, rate: rate || RATE, incident, incident_after_s, addresses })
      let sent = 0
      for await (const batch of linesInTime(lines, { start_ms, count, is_timed: rate > 0 }, stop)) {
        await deliver(batch.map((line) => createSampleEvent(context, line, ++sent)))
      }
    },
  }),
})

function createSampleEvent(context: InputContext, { line, service, env }: SampleLine, number: number): Event {
  const origin: Origin = { input: context.id, describe: () => `sample line ${number}`, stableId: () => undefined }
  return context.createEvent({ fields: { message: line, fields: { service, env } }, exact: false }, origin, line.length)
}
