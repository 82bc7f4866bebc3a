import { setImmediate as nextTurnOfTheLoop } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { compressedFrame, jsonFrame } from '../../../test/helpers/lumberjack-client.ts'
import { FrameDecoder } from './frames.ts'
import { BLOCK_BYTES, InflatedMemory } from './inflated-memory.ts'
import { Window } from './window.ts'

const MIB = 1024 * 1024
const LIMITS = {
  max_frame_bytes: 64 * MIB,
  max_event_bytes: 10 * MIB,
  max_window_events: 100_000,
  max_inflated_bytes: 256 * MIB,
}
const { signal } = new AbortController()

interface Sample {
  readonly events: number
  readonly bytes: number
  /** Events of a compressed frame; 0 for events that are not compressed. */
  readonly per_frame: number
  /** A compressed frame inside of each. */
  readonly is_nested?: boolean
}

/** Each event is its own number, and all of its bytes tell from which window it is. */
function textOf(name: number, index: number, { bytes, events }: Sample): string {
  return `${name}-${index}`.padEnd(Math.floor(bytes / events), String.fromCodePoint(65 + name))
}

function windowOf(name: number, sample: Sample): Window {
  const { events, per_frame, is_nested = false } = sample
  const window = new Window({ kind: 'window', version: 2, count: events }, LIMITS)
  const frames = Array.from({ length: events }, (_, index) => jsonFrame(index + 1, textOf(name, index, sample)))
  const decoder = new FrameDecoder(LIMITS)
  for (let at = 0; at < events; at += per_frame || events) {
    const some = Buffer.concat(frames.slice(at, at + (per_frame || events)))
    const inner = is_nested ? Buffer.concat([compressedFrame(some), compressedFrame(Buffer.alloc(0))]) : some
    decoder.push(per_frame === 0 ? some : compressedFrame(inner))
  }
  for (let frame = decoder.next(); frame !== undefined; frame = decoder.next()) if (frame.kind !== 'window') window.add(frame)
  return window
}

/** Takes a window as a connection does: what is handed out is looked at after others had their turn. */
async function take(window: Window): Promise<string[]> {
  expect(await window.isWhole(signal)).toBe(true)
  const texts: string[] = []
  for await (const events of window.takeEvents(signal)) {
    await nextTurnOfTheLoop()
    for (const { body } of events) texts.push(body.source.toString('latin1', body.start, body.end))
  }
  return texts
}

function expectAll(texts: readonly string[], name: number, sample: Sample): void {
  // Not compared as one: what differs would be printed, all of it.
  expect(texts.length).toBe(sample.events)
  expect(texts.findIndex((text, index) => text !== textOf(name, index, sample))).toBe(-1)
}

const SAMPLES: readonly (readonly [what: string, sample: Sample])[] = [
  ['many small events', { events: 2_048, bytes: 2 * MIB, per_frame: 2_048 }],
  ['a frame for each event', { events: 2_048, bytes: 2 * MIB, per_frame: 1 }],
  ['no compression', { events: 100, bytes: 100_000, per_frame: 0 }],
  ['three blocks', { events: 2_048, bytes: 2.9 * BLOCK_BYTES, per_frame: 2_048 }],
  ['more than is held', { events: 2_048, bytes: 8 * BLOCK_BYTES, per_frame: 500 }],
  ['few events that are larger than a block', { events: 4, bytes: 8 * BLOCK_BYTES, per_frame: 4 }],
  ['few events that lie across blocks', { events: 20, bytes: 8 * BLOCK_BYTES, per_frame: 20 }],
  ['frames in frames', { events: 300, bytes: 2 * MIB, per_frame: 50, is_nested: true }],
  ['large frames in frames', { events: 300, bytes: 6 * BLOCK_BYTES, per_frame: 150, is_nested: true }],
]

test.each(SAMPLES)('a window of %s comes whole, in its order', async (_what, sample) => {
  expectAll(await take(windowOf(1, sample)), 1, sample)
})

test('windows that are inflated at the same time do not write over each other', async () => {
  for (let round = 0; round < 3; round++) {
    const windows = SAMPLES.map(([, sample], name) => windowOf(name, sample))
    const taken = await Promise.all(windows.map((window) => take(window)))
    for (const [name, texts] of taken.entries()) expectAll(texts, name, SAMPLES[name]?.[1] as Sample)
  }
})

test('what is handed out may be left in the middle, and all memory is given back', async () => {
  const sample = { events: 2_048, bytes: 8 * BLOCK_BYTES, per_frame: 2_048 }
  const held = { events: 2_048, bytes: 2.9 * BLOCK_BYTES, per_frame: 2_048 }
  for (let time = 0; time < 10; time++) {
    for (const one of [sample, held]) {
      const window = windowOf(1, one)
      await window.isWhole(signal)
      for await (const events of window.takeEvents(signal)) if (events.length > 0) break
      const forgotten = windowOf(1, one)
      await forgotten.isWhole(signal)
      forgotten.forget()
    }
  }
  using memory = new InflatedMemory()
  for (let block = 0; block < 5; block++) memory.use(memory.room(BLOCK_BYTES).length)
  expect(memory.isTooMuch).toBe(false)
  expectAll(await take(windowOf(1, held)), 1, held)
})

test('of a window that is not whole nothing is held, and it comes whole with its rest', async () => {
  const sample = { events: 200, bytes: MIB, per_frame: 50 }
  const whole = windowOf(3, sample)
  const window = new Window({ kind: 'window', version: 2, count: 200 }, LIMITS)
  const decoder = new FrameDecoder(LIMITS)
  for (let at = 0; at < 200; at += 50) {
    const frames = Array.from({ length: 50 }, (_, index) => jsonFrame(at + index + 1, textOf(3, at + index, sample)))
    decoder.push(compressedFrame(Buffer.concat(frames)))
    const frame = decoder.next()
    if (frame !== undefined && frame.kind !== 'window') window.add(frame)
    if (at < 150) expect(await window.isWhole(signal)).toBe(false)
  }
  expect(await take(window)).toEqual(await take(whole))
})
