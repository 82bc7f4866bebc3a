import { setTimeout as delay } from 'node:timers/promises'
import { Millrace } from '../millrace.ts'
import type { Scenario } from '../stage.ts'
import { Traffic } from '../traffic.ts'

const EVERY_MS = 5_000

/** A second program joins the consumer group and leaves it again, by turns, every five seconds. */
export const rebalances: Scenario = {
  letter: 'D',
  title: 'a second member joins and leaves every 5 s',
  is_full_only: true,
  run: async (stage) => {
    await using store = await stage.store()
    await using topic = await stage.topic()
    if (topic === undefined) throw new Error('a rebalance needs Kafka')
    const options = { elasticsearch_url: store.url, kafka: { brokers: topic.server.brokers, topic: topic.name } }
    await using millrace = await Millrace.start(options)
    await using second = await Millrace.start(options)
    await using traffic = new Traffic(stage, millrace.beats_port, topic)
    let changes = 0
    while (topic.produced < stage.extent.events / 2) {
      await delay(EVERY_MS)
      stage.progress(`rebalance ${++changes}`)
      // It leaves as it should, or dies, by turns: a dead member is missed after the session's time.
      if (changes % 4 === 1) await second.stop()
      else if (changes % 4 === 3) await second.kill()
      else await second.start()
    }
    if (changes % 2 === 1) await second.start()
    await traffic.expectAllStored(millrace, store)
    await second.settle(60_000)
    return { events: stage.extent.events, rebalances: changes }
  },
}
