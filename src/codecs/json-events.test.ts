import { isAscii } from 'node:buffer'
import { expect, test } from 'vitest'
import { areAlike, expectAlike } from '../../test/helpers/changed-events.ts'
import { componentNode } from '../../test/helpers/config-value.ts'
import { testContext } from '../../test/helpers/context.ts'
import { type Random, randomFrom } from '../../test/helpers/json-lines.ts'
import { FAULT_NAMES, type Line, type MadeLine, madeLines } from '../../test/helpers/made-lines.ts'
import { plainObjects } from '../../test/helpers/plain-event.ts'
import { compileCodec } from '../compile/codec.ts'
import { Catalog } from '../core/component.ts'
import type { Decoded, Decoder } from '../core/contracts.ts'
import { wholeFields } from '../core/decoded.ts'
import { Event } from '../core/event.ts'
import { Timestamp } from '../core/values.ts'
import { json } from './json.ts'

const SEEDS = 101
/** Of a line and the same with a fault, for each seed. */
const PAIRS = 1_000
const NOW = new Timestamp(0)

/** So many names that all are forgotten, and with them which shapes lines have. */
const FLOOD = `{${Array.from({ length: 4_200 }, (_, index) => `"flood${index}":1`).join(',')}}`

const chunk = Buffer.alloc(64 * 1024)

/** What the codec makes of a line. The memory in which its bytes stood among others holds something else then. */
function decode(decoder: Decoder, line: Line): readonly Decoded[] {
  if (typeof line === 'string') return decoder.decode(line)
  const end = line.copy(chunk, 1)
  chunk.write('9"}]', end + 1)
  const decoded = decoder.decode(chunk.subarray(1, end + 1))
  chunk.fill('x', 0, end + 5)
  return decoded
}

type Way = 'scanned' | 'parsed' | 'failed' | 'empty'

/**
 * How the program read a line that was compared: its event still is the text, is parsed, or is that of a failure; or it has none.
 * @throws Error where its events are others than those that JSON.parse makes of it
 */
function compare(decoded: readonly Decoded[], { line, fault }: MadeLine, random: Random): Way {
  const { objects, fails } = plainObjects(line)
  if (fails && fault === undefined) throw new Error('expected a line without a fault')
  if (decoded.length !== objects.length) throw new Error(`expected ${objects.length} events, got ${decoded.length}`)
  for (const [index, object] of objects.entries()) {
    const one = decoded[index] as Decoded
    if ((one.failure !== undefined) !== fails) throw new Error(`expected ${fails ? 'a' : 'no'} failure, got ${one.failure}`)
    if (random(16) === 0 && !areAlike(wholeFields(one).fields, object)) throw new Error('all fields are others')
    const { exact, source } = one
    expectAlike(Event.from(one.fields, NOW, { exact, source }), Event.from(object, NOW), random)
  }
  if (fails) return 'failed'
  if (decoded[0] === undefined) return 'empty'
  return decoded[0].source === undefined ? 'parsed' : 'scanned'
}

/** So many lines at least are compared. Most of the mutated ones are no JSON, or are left to the parser. */
const LEAST = {
  intact: 100_000,
  mutated: 100_000,
  'intact scanned': 85_000,
  'intact parsed': 4_000,
  'mutated scanned': 18_000,
  'mutated parsed': 35_000,
  'mutated failed': 25_000,
  'intact bytes of ASCII': 25_000,
  'intact bytes of others': 10_000,
  'mutated bytes of ASCII': 20_000,
  'mutated bytes of others': 25_000,
  ...Object.fromEntries(FAULT_NAMES.map((name) => [name, 6_000])),
}

test('whatever is done to it, an event shows and says the same as one of JSON.parse: 200,000 lines, half of them mutated', () => {
  const context = testContext({ log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} } })
  const codec = compileCodec(componentNode('json', {}), new Catalog([json]), context, { report: () => {}, warn: () => {} })
  const decoder = codec?.createDecoder() as Decoder
  const counts: { [what: string]: number } = {}
  const count = (what: string): void => {
    counts[what] = (counts[what] ?? 0) + 1
  }
  const compareAll = (seed: number): void => {
    if (seed % 3 === 0) decoder.decode(FLOOD)
    const random = randomFrom(seed)
    let index = -1
    for (const made of madeLines(seed, PAIRS)) {
      const { line, fault } = made
      const kind = fault === undefined ? 'intact' : 'mutated'
      index++
      try {
        const way = compare(decode(decoder, line), made, random)
        if (way === 'empty') continue
        count(`${kind} ${way}`)
      } catch (thrown) {
        const what = typeof line === 'string' ? JSON.stringify(line) : `bytes ${JSON.stringify(line.toString('latin1'))}`
        throw new Error(`line ${index} of seed ${seed}, ${fault ?? kind}, ${what}: ${String(thrown)}`, { cause: thrown })
      }
      count(kind)
      if (fault !== undefined) count(fault)
      if (typeof line !== 'string') count(`${kind} bytes of ${isAscii(line) ? 'ASCII' : 'others'}`)
    }
  }
  // Tens of thousands of lines are no JSON, and nobody reads where that was found out.
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    for (let seed = 0; seed < SEEDS; seed++) compareAll(seed)
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
  expect(Object.entries(LEAST).filter(([what, least]) => (counts[what] ?? 0) < least)).toEqual([])
}, 600_000)
