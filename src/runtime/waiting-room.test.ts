import { expect, test } from 'vitest'
import { Event } from '../core/event.ts'
import { Timestamp } from '../core/values.ts'
import { WaitingRoom } from './waiting-room.ts'

function events(count: number): Event[] {
  return Array.from({ length: count }, () => Event.from({}, new Timestamp(0)))
}

test('events wait until they are due, then come in batches of their group', () => {
  const room = new WaitingRoom(100, 1_000)
  room.fail('a', events(3), 0, 0)
  expect(room.takeDue(49, 2)).toBeUndefined()
  expect(room.takeDue(100, 2)).toMatchObject({ key: 'a', events: { length: 2 } })
  expect(room.length).toBe(1)
  expect(room.takeDue(100, 2)?.events.length).toBe(1)
  expect(room.takeDue(100, 2)).toBeUndefined()
})

test('events that come back from a try are before those that came meanwhile', () => {
  const room = new WaitingRoom(100, 1_000)
  const came = events(3)
  const [first, second, third] = came as [Event, Event, Event]
  room.fail('a', [first, second], 0, 0)
  const taken = room.takeDue(100, 2)?.events ?? []
  room.fail('a', [third], 100, 0)
  room.fail('a', taken, 100, 0)
  expect(room.takeDue(1_000, 3)?.events.map((event) => came.indexOf(event))).toEqual([0, 1, 2])
})

test('events read back from the disk go before the others, which wait for those that still are there', () => {
  const on_disk = new Map<Event, bigint>()
  let is_behind = true
  const room = new WaitingRoom(100, 1_000, { sequenceOf: (event) => on_disk.get(event), isBehind: () => is_behind })
  const came = events(3)
  const [one, two, young] = came as [Event, Event, Event]
  on_disk.set(one, 1n).set(two, 2n)
  room.add('a', [young], 0)
  expect(room.takeDue(0, 10)).toBeUndefined()
  expect(room.due_ms).toBe(Number.POSITIVE_INFINITY)
  room.restore('a', [two])
  room.restore('a', [one])
  expect(room.takeDue(0, 10)?.events.map((event) => came.indexOf(event))).toEqual([0, 1])
  is_behind = false
  expect(room.takeDue(0, 10)?.events.map((event) => came.indexOf(event))).toEqual([2])
})

test('a group that fails again waits longer, whatever happens to others meanwhile', () => {
  const room = new WaitingRoom(100, 100_000)
  let now = 0
  const waits: number[] = []
  room.fail('closed', events(1), now, 0)
  for (let round = 0; round < 6; round++) {
    waits.push(room.due_ms - now)
    now = room.due_ms
    const due = room.takeDue(now, 10)
    room.fail('other', [], now, 0)
    room.tried('other')
    room.fail('closed', due?.events ?? [], now, 0)
    room.tried('closed')
  }
  // Each is drawn from the upper half of its doubled wait.
  for (const [round, wait] of waits.entries()) {
    expect(wait).toBeGreaterThanOrEqual(50 * 2 ** round)
    expect(wait).toBeLessThanOrEqual(100 * 2 ** round)
  }
})

test('a group whose try went well starts with its first wait again', () => {
  const room = new WaitingRoom(100, 100_000)
  for (let round = 0; round < 5; round++) {
    room.fail('a', events(1), 0, 0)
    room.takeDue(Number.MAX_SAFE_INTEGER, 10)
  }
  room.tried('a')
  room.fail('a', events(1), 0, 0)
  expect(room.due_ms).toBeLessThanOrEqual(100)
})

test('the other side may ask for a longer wait', () => {
  const room = new WaitingRoom(100, 1_000)
  room.fail('a', events(1), 0, 5_000)
  expect(room.due_ms).toBe(5_000)
})
