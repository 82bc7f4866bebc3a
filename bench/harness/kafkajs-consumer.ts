// kafkajs consuming and nothing else, as a program of its own: what Kafka costs before anybody looks into a message. It reads a topic
// from its beginning and tells its processor time between two counts of messages.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { Kafka, logLevel } from 'kafkajs'
import { patchKafkajs } from '../../src/kafka/patches.ts'

export interface Consumption {
  readonly brokers: readonly string[]
  readonly topic: string
  readonly group: string
  readonly warm_up: number
  readonly events: number
}

/** What a message costs kafkajs, in microseconds of processor time. */
export async function cpuOfConsuming(consumption: Consumption): Promise<number> {
  const child = fork(import.meta.filename)
  child.send(consumption)
  const [cpu_us] = (await once(child, 'message')) as [number]
  child.kill()
  await once(child, 'exit')
  return cpu_us
}

async function consume({ brokers, topic, group, warm_up, events }: Consumption): Promise<void> {
  patchKafkajs()
  const kafka = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING })
  const consumer = kafka.consumer({ groupId: group })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  let count = 0
  let first: { readonly count: number; readonly usage: NodeJS.CpuUsage } | undefined
  await consumer.run({
    eachBatch: ({ batch }) => {
      count += batch.messages.length
      if (first === undefined) {
        if (count >= warm_up) first = { count, usage: process.cpuUsage() }
      } else if (count >= first.count + events) {
        const { user, system } = process.cpuUsage(first.usage)
        process.send?.((user + system) / (count - first.count))
      }
      return Promise.resolve()
    },
  })
}

if (import.meta.main) process.once('message', (consumption: Consumption) => void consume(consumption))
