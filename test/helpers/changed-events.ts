import { inspect } from 'node:util'
import type { Event } from '../../src/core/event.ts'
import { type FieldRef, parseFieldRef } from '../../src/core/field-ref.ts'
import { ScannedObject } from '../../src/core/json/scanned-object.ts'
import { TextWriter } from '../../src/core/json/text-writer.ts'
import { cloneValue, type Fields, SourceNumber, Timestamp, type Value } from '../../src/core/values.ts'
import { type Random, randomFrom } from './json-lines.ts'
import { markedValue, plainValue } from './plain-event.ts'

// biome-ignore format: a list to look through, not to read line by line
const REFS = [
  'a', 'b', '[c][d]', '[b][x]', '[message][0]', 'tags', '@timestamp', '__proto__', '[@metadata][x]', '[@metadata][@timestamp]',
  'level', 'message', '_tags', '@version', '[a][0]', 'constructor', 'n'.repeat(128),
].map(parseFieldRef)
const VALUES: readonly Value[] = ['t', 1, 5n, null, ['u'], { k: 9007199254740993n }, new Timestamp(1), 'й"']
const TEXTS = ['й😀', '"', 'info', '']

const ADOPTED = [
  '{"a":1.50,"level":{"x":[1]},"n":"é"}',
  '{"b":2,"message":[1,2]}',
  '{"b":1,"[c][d]":1}',
  '{}',
  '{"c":{"d":1},"__proto__":7}',
]

/** Whether two values say the same; names of maps may come in another order. */
export function areAlike(one: unknown, other: unknown): boolean {
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return one === other
  if (one instanceof Timestamp) return other instanceof Timestamp && one.toString() === other.toString()
  if (one instanceof SourceNumber) return other instanceof SourceNumber && one.text === other.text
  if (Array.isArray(one) !== Array.isArray(other)) return false
  const [ours, theirs] = [one as Fields, other as Fields]
  // What was removed is undefined.
  const names = Object.keys(ours).filter((name) => ours[name] !== undefined)
  if (names.length !== Object.keys(theirs).filter((name) => theirs[name] !== undefined).length) return false
  return names.every((name) => Object.hasOwn(theirs, name) && areAlike(ours[name], theirs[name]))
}

const writer = new TextWriter()

/** The document of an event, printed by one of the ways to. */
function documentOf(event: Event, way: number): string {
  if (way === 1) return event.toJson().toString()
  if (way === 2) return event.toJsonText()
  writer.clear()
  event.print(writer)
  return writer.written.toString()
}

/** Whether two documents say the same, and the first one says nothing twice. */
function sayTheSame(one: string, other: string): boolean {
  if (one === other) return true
  const value = markedValue(one)
  return areAlike(value, markedValue(other)) && namesWrittenIn(one) === namesIn(value)
}

const TEXT = /"[^"\\]*(?:\\[^][^"\\]*)*"(?:\s*:)?/g

function namesWrittenIn(text: string): number {
  return text.match(TEXT)?.filter((found) => found.endsWith(':')).length ?? 0
}

function namesIn(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  const inner = Object.values(value)
  return inner.reduce<number>((sum, one) => sum + namesIn(one), Array.isArray(value) ? 0 : inner.length)
}

/** Makes the members of an object fields, as the json filter does. */
function adopt(event: Event, text: string, is_plain: boolean): void {
  const object = is_plain ? undefined : ScannedObject.read(text)
  if (object !== undefined && event.adopt(object)) return
  for (const [name, value] of Object.entries(plainValue(text) as Fields)) event.set(parseFieldRef(name), value ?? null)
}

/** Sets a map, as the geoip filter does. */
function setMap(event: Event, ref: FieldRef, is_plain: boolean): void {
  if (is_plain) return event.set(ref, { d: 'é' })
  event.setPrinted(ref, { read: () => ({ d: 'é' }), print: (to) => to.text('{"d":"é"}') })
}

/** Whether a text that is read or compared where it stands is the one that one gets. */
function readsAsGot(event: Event, ref: FieldRef): boolean {
  const text = event.readText(ref, (longer, start, end) => longer.slice(start, end))
  const got = event.get(ref)
  return (text === undefined || text === got) && (typeof got !== 'string' || event.isText(ref, got))
}

/** Renames a field, as the mutate filter does. */
function rename(event: Event, from: FieldRef, to: FieldRef): void {
  const value = event.remove(from)
  if (value !== undefined) event.set(to, value)
}

/** Does something to an event and returns what that showed. */
function change(event: Event, random: Random, is_plain: boolean): unknown {
  const ref = REFS[random(REFS.length)] as FieldRef
  switch (random(10)) {
    case 0:
      return event.set(ref, cloneValue(VALUES[random(VALUES.length)] ?? null))
    case 1:
      return event.remove(ref)
    case 2:
      return event.tag('t')
    case 3:
      return [event.has(ref), event.isText(ref, TEXTS[random(TEXTS.length)] ?? ''), readsAsGot(event, ref)]
    case 4:
      return adopt(event, ADOPTED[random(ADOPTED.length)] ?? '{}', is_plain)
    case 5:
      return setMap(event, ref, is_plain)
    case 6:
      return Object.fromEntries(event.entries())
    case 7:
      return rename(event, ref, REFS[random(REFS.length)] as FieldRef)
    default:
      return event.get(ref)
  }
}

function shown(event: Event, random: Random, is_plain: boolean): unknown {
  try {
    return change(event, random, is_plain)
  } catch (thrown) {
    return String(thrown)
  }
}

/**
 * Does the same to both, none to three things, and prints both; then, now and then, the same once more with clones of them.
 * @throws Error as soon as the two show or say something else
 */
export function expectAlike(event: Event, plain: Event, random: Random): void {
  const seed = random(2 ** 24)
  const [one, other] = [randomFrom(seed), randomFrom(seed)]
  for (let step = random(4); step > 0; step--) {
    const [got, expected] = [shown(event, one, false), shown(plain, other, true)]
    if (!areAlike(got, expected)) throw new Error(`what was done with ${seed} showed ${inspect(got)}, not ${inspect(expected)}`)
  }
  const [got, expected] = [documentOf(event, random(3)), documentOf(plain, 2)]
  if (!sayTheSame(got, expected)) throw new Error(`after what was done with ${seed} it says ${got}, not ${expected}`)
  if (random(32) > 0) return
  expectAlike(event.clone(), plain.clone(), random)
  if (!sayTheSame(documentOf(event, 2), got)) throw new Error(`after what was done with ${seed} its clone changed it`)
}
