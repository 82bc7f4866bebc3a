import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { JSON_LINE, mutated, randomFrom } from '../../../test/helpers/json-lines.ts'
import { ShapeSlot } from './line-shape.ts'
import { ScannedObject } from './scanned-object.ts'

/** Enough that the shape of a line is learned, and fewer. */
const LEARNED_AFTER = 80
const NOT_LEARNED_AFTER = 60

/** So many names that all are forgotten, and all shapes with them. */
const FLOOD = `{${Array.from({ length: 4_200 }, (_, index) => `"flood${index}":1`).join(',')}}`

function forgetShapes(): void {
  ScannedObject.read(FLOOD)
}

/** All that a scan of the text, and one of its bytes, found. */
function outcomeOf(text: string): unknown {
  return [ScannedObject.read(text), ScannedObject.readAscii(Buffer.from(text))].map(contentOf)
}

function contentOf(object: ScannedObject | undefined): unknown {
  return object?.names().map((name) => [name, object.textOf(name), object.isText(name, 'x')])
}

function expectSame(line: string, others: readonly string[]): void {
  forgetShapes()
  const unlearned = others.map(outcomeOf)
  forgetShapes()
  for (let count = 0; count < LEARNED_AFTER; count++) ScannedObject.read(line)
  for (const [index, other] of others.entries()) expect([other, outcomeOf(other)]).toEqual([other, unlearned[index]])
}

test('a line whose shape is known is taken or left, and read, as one whose shape is not', () => {
  fc.assert(
    fc.property(JSON_LINE, fc.integer(), (line, seed) => {
      const random = randomFrom(seed)
      expectSame(line, [line, ...Array.from({ length: NOT_LEARNED_AFTER }, () => mutated(line, random))])
    }),
    { numRuns: 40 },
  )
})

const LINE = '{"level":"info","n":12,"z":0,"f":1.5,"o":{"a":[1]},"t":true, "last" : "x"}'

test.each([
  ['values of other kinds', '{"level":5,"n":"12","z":null,"f":{},"o":"o","t":[],"last":7}'],
  [
    'texts with escapes instead of other values',
    '{"level":"","n":"\\n","z":"\\n","f":"\\n","o":"\\n","t":"\\n", "last" : "\\n"}',
  ],
  ['numbers', '{"level":"","n":-12,"z":10,"f":1e5,"o":{"a":[1]},"t":true, "last" : "x"}'],
  ['escapes', '{"level":"a\\"b","n":1,"z":0,"f":2,"o":{"a":["\\n"]},"t":false, "last" : "\\\\"}'],
  ['characters of any size', '{"level":"é😀","n":1,"z":0,"f":2,"o":{"й":[]},"t":null, "last" : "ж"}'],
  ['a member less', '{"level":"info","n":12,"z":0,"f":1.5,"o":{"a":[1]},"t":true}'],
  ['a member more', '{"level":"info","n":12,"z":0,"f":1.5,"o":{"a":[1]},"t":true, "last" : "x","more":1}'],
  ['a name twice', '{"level":"info","n":12,"z":0,"n":1}'],
  ['a name again', '{"level":"info","n":12,"z":0,"f":1.5,"o":{"a":[1]},"t":true, "last" : "x","level":1}'],
  ['a number that is none', '{"level":"info","n":012,"z":0}'],
  ['a comma too many', '{"level":"info","n":12,}'],
  ['no end', '{"level":"info","n":12,"z":0,"f":1.5,"o":{"a":[1]},"t":true, "last" : "x"'],
  ['something behind', '{"level":"info","n":12,"z":0,"f":1.5,"o":{"a":[1]},"t":true, "last" : "x"}}'],
  ['blanks', '{"level":"info","n":12,"z":0,"f":1.5,"o":{"a":[1]},"t":true, "last" : "x" }'],
])('a line like one whose shape is known, but with %s', (_what, line) => {
  expectSame(LINE, [line])
})

test('a text that ends where the memory for it ends is read to its end, also where a long name was expected', () => {
  const name = 'n'.repeat(120)
  const known = `{"a":"","${name}":1}`
  for (let count = 0; count < LEARNED_AFTER; count++) ScannedObject.read(known)
  for (let length = 16_000; length < 17_000; length += 7) {
    const text = `{"a":"${'x'.repeat(length - 20)}","nn":1}`
    expect(ScannedObject.readAscii(Buffer.from(text))?.names()).toEqual(['a', 'nn'])
  }
})

test('a shape that lines fit stays, whatever comes between them, and is learned anew once none fits any more', () => {
  const slot = new ShapeSlot()
  const misfits = (count: number) => Array.from({ length: count }, () => slot.misfits()).filter((learns) => learns).length
  // What never comes again is learned ever more rarely, but not without bound.
  expect(misfits(1_000)).toBeGreaterThan(2)
  expect(misfits(1_000_000)).toBeLessThan(300)
  expect(misfits(20_000)).toBeGreaterThan(0)
  // Batches of envelopes and of the lines in them take turns.
  let learned = 0
  for (let batch = 0; batch < 1_000; batch++) {
    for (let line = 0; line < 256; line++) slot.fits()
    learned += misfits(256)
  }
  expect(learned).toBeLessThan(2)
  expect(misfits(20_000)).toBeGreaterThan(0)
})
