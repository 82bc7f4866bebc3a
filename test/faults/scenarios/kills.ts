import { setTimeout as delay } from 'node:timers/promises'
import { Millrace } from '../millrace.ts'
import type { Figures, Scenario, Stage } from '../stage.ts'
import type { Store } from '../store.ts'
import type { Topic } from '../topic.ts'
import { Traffic } from '../traffic.ts'

/** After its place in the stream a fault waits up to so long, so that it hits any moment of a batch. */
const JITTER_MS = 300
const DOWN_MS = 1_000

interface Cast {
  readonly millrace: Millrace
  readonly store: Store
  readonly topic: Topic | undefined
}

/** Does something bad at random places of the stream. */
async function strike(stage: Stage, what: string, victim: (cast: Cast) => Promise<void>): Promise<Figures> {
  await using store = await stage.store()
  await using topic = await stage.topic()
  const kafka = topic === undefined ? {} : { kafka: { brokers: topic.server.brokers, topic: topic.name } }
  await using millrace = await Millrace.start({ elasticsearch_url: store.url, ...kafka })
  await using traffic = new Traffic(stage, millrace.beats_port, topic)
  const { faults, events } = stage.extent
  let in_flight = 0
  for (let fault = 0; fault < faults; fault++) {
    await traffic.untilSent((fault + 0.2 + 0.6 * stage.random()) / faults)
    await delay(stage.random() * JITTER_MS)
    if (traffic.in_flight > 0) in_flight++
    stage.progress(`${what} ${fault + 1} of ${faults}`)
    await victim({ millrace, store, topic })
  }
  await traffic.expectAllStored(millrace, store)
  return { events, [what]: faults, 'with events in flight': in_flight, 'windows sent again': traffic.repeated_windows }
}

export const killedProgram: Scenario = {
  letter: 'A',
  title: 'kill -9 of the program',
  run: (stage) =>
    strike(stage, 'kills', async ({ millrace }) => {
      await millrace.kill()
      await millrace.start()
    }),
}

export const killedElasticsearch: Scenario = {
  letter: 'B',
  title: 'Elasticsearch killed and restarted',
  run: (stage) =>
    strike(stage, 'restarts', async ({ store }) => {
      await store.kill()
      await delay(stage.random() * DOWN_MS)
      await store.start()
    }),
}

export const killedKafka: Scenario = {
  letter: 'C',
  title: 'Kafka killed and restarted',
  is_full_only: true,
  run: (stage) =>
    strike(stage, 'restarts', async ({ topic }) => {
      await topic?.server.kill()
      await delay(stage.random() * DOWN_MS)
      await topic?.server.start()
    }),
}
