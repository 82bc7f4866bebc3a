import { FaultyProxy } from '../faulty-proxy.ts'
import { Millrace } from '../millrace.ts'
import type { Scenario } from '../stage.ts'
import { Traffic } from '../traffic.ts'

/** Longer than the pause between keep-alives, 2 s, and shorter than Filebeat's 30 s, so that a run has room for many. */
const PATIENCE_MS = 4_500

/** One that passes would else last for the whole run, and nothing more would happen to its sender. */
const WINDOWS_A_CONNECTION = 25

/** Connections that are cut in mid-frame, slow, or silent for ever, on all sides of the program. */
export const badNetwork: Scenario = {
  letter: 'E',
  title: 'connections cut, slow and half-open on both sides',
  run: async (stage) => {
    const { events, is_quick } = stage.extent
    const shares = { cut: 0.5, slow: 0.2, half_open: is_quick ? 0.06 : 0.15 }
    const { random } = stage
    const bytes_max = is_quick ? 40_000 : 1_000_000
    await using store = await stage.store()
    await using behind = await FaultyProxy.start({ port: store.port, random, shares, bytes_max: bytes_max * 10 })
    const output = { timeout: is_quick ? 3 : 10 }
    await using topic = await stage.topic()
    const { port, advertised_port: own_port } = stage.servers.proxied
    await using aside = topic === undefined ? undefined : await FaultyProxy.start({ port, own_port, random, shares, bytes_max })
    const kafka = topic === undefined ? {} : { kafka: { brokers: [`127.0.0.1:${own_port}`], topic: topic.name } }
    await using millrace = await Millrace.start({ elasticsearch_url: `http://127.0.0.1:${behind.port}`, output, ...kafka })
    await using front = await FaultyProxy.start({ port: millrace.beats_port, random, shares, bytes_max })
    await using traffic = new Traffic(stage, front.port, topic, {
      patience_ms: PATIENCE_MS,
      windows_a_connection: WINDOWS_A_CONNECTION,
    })
    await traffic.expectAllStored(millrace, store)
    const count = (fate: 'cut' | 'slow' | 'half_open'): string =>
      [front, behind, ...(aside === undefined ? [] : [aside])].map(({ fates }) => fates.get(fate)).join(' + ')
    return {
      events,
      'cut (senders + Elasticsearch + Kafka)': count('cut'),
      slow: count('slow'),
      'half-open': count('half_open'),
      'windows sent again': traffic.repeated_windows,
    }
  },
}
