import { expect, test } from 'vitest'
import { Partition, Partitions } from './partition.ts'

const PLACE = { topic: 'logs', partition: 3 }

/** 40 of its 100 records are settled. */
function behind(partition: Partition): Partition {
  partition.open(0, 100)
  const piece = partition.offsets?.handOn(40)
  if (piece !== undefined) partition.offsets?.settle(piece)
  return partition
}

test('a partition that is not read keeps its lag until it is read again', () => {
  const partition = behind(new Partition(PLACE))
  expect(partition.lag).toBe(60)
  partition.close()
  partition.close()
  expect(partition.offsets).toBeUndefined()
  expect(partition.lag).toBe(60)
  partition.open(40, 140)
  expect(partition.lag).toBe(100)
})

test('one that another member has is that one’s to tell of, until it comes back', () => {
  const partition = behind(new Partition(PLACE))
  partition.close()
  partition.leave()
  expect(partition.lag).toBe(0)
  partition.close()
  expect(partition.lag).toBe(0)
  behind(partition).leave()
  expect(partition.lag).toBe(0)
})

test('of a topic that is gone nothing is left to read', () => {
  const partitions = new Partitions(() => {})
  const [logs, audit] = [partitions.of(PLACE), partitions.of({ topic: 'audit', partition: 0 })].map(behind)
  for (const partition of partitions.all()) partition.close()
  partitions.keepOnly(['audit', 'other'])
  expect([logs?.lag, audit?.lag]).toEqual([0, 60])
})
