import { Partitioners, type ProducerConfig } from 'kafkajs'

/** A producer for tests that count: a batch that is sent again after a slow answer is stored once. */
export const EACH_ONCE: ProducerConfig = {
  createPartitioner: Partitioners.DefaultPartitioner,
  idempotent: true,
  maxInFlightRequests: 1,
}
