import { createRequire } from 'node:module'
import type { ICustomPartitioner } from 'kafkajs'

/** How a producer chooses the partition of a record. */
export function choosePartitioner(name: 'default' | 'round_robin' | 'uniform_sticky'): ICustomPartitioner {
  if (name === 'round_robin') return inTurn
  // The same as Java's producer for records with a key; loaded with the rest of kafkajs.
  const { Partitioners } = createRequire(import.meta.url)('kafkajs') as typeof import('kafkajs')
  return Partitioners.DefaultPartitioner
}

const inTurn: ICustomPartitioner = () => {
  const last = new Map<string, number>()
  return ({ topic, partitionMetadata }) => {
    const next = ((last.get(topic) ?? -1) + 1) % Math.max(1, partitionMetadata.length)
    last.set(topic, next)
    return partitionMetadata[next]?.partitionId ?? 0
  }
}
