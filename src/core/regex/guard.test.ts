import { expect, test } from 'vitest'
import { testContext } from '../../../test/helpers/context.ts'
import { guardedRegex, regexLimits, runGuarded } from './guard.ts'

const EXPONENTIAL = '^(?:a|a)*$'
/** Half a minute and more, each on a text of its own. */
const HOSTILE: [pattern: string, text: string][] = [
  [EXPONENTIAL, `${'a'.repeat(60)}b`],
  ['^(\\w+\\s?)*$', `${'word '.repeat(20)}!`],
  ['.*.*.*.*x', 'a'.repeat(2_000)],
  ['(?:a{1,8}){1,8}b', 'a'.repeat(5_000)],
]

test.each(HOSTILE)('%s on a hostile text ends at the limit, and the next text is fine', (pattern, text) => {
  const context = testContext()
  const regex = guardedRegex(pattern, '', regexLimits(context, 100))
  const before = performance.now()
  expect(() => regex.test(text)).toThrow(expect.objectContaining({ code: 'REGEX_TIMEOUT' }))
  expect(performance.now() - before).toBeLessThan(5_000)
  expect(regex.test('')).toBe(regex.regex.test(''))
  expect(context.metrics.counter('millrace_regex_interrupted_total', '', { component: 'test' }).value).toBe(1)
})

test('a match that fills the memory of the engine ends as one that takes too long', () => {
  const regex = guardedRegex('\\A(?:a|b)*c', '', { timeout_ms: 20_000 })
  expect(() => regex.test('ab'.repeat(10_000_000))).toThrow(expect.objectContaining({ code: 'REGEX_TIMEOUT' }))
})

test('matches of one that was broken off begin at the start of the next text', () => {
  const regex = guardedRegex('x|(?:a|a)*b', 'g', { timeout_ms: 50 })
  expect(() => regex.replace(`xx${'a'.repeat(60)}`, '-')).toThrow(expect.objectContaining({ code: 'REGEX_TIMEOUT' }))
  expect(regex.replace('xx', '-')).toBe('--')
})

test('every method gives what the bare expression gives, quick or guarded', () => {
  for (const pattern of ['(o)', '(?:(o)+)+']) {
    const regex = guardedRegex(pattern, '', { timeout_ms: 1_000 })
    expect(regex.exec('foo')?.index).toBe(1)
    expect(regex.test('bar')).toBe(false)
    expect(regex.replace('fob', (...found) => `<${String(found[1])}>`)).toBe('f<o>b')
    expect(regex.split('fob')).toEqual(['f', 'o', 'b'])
  }
})

test('what the work itself throws goes through', () => {
  const thrown = new TypeError('own')
  const work = (): never => {
    throw thrown
  }
  expect(() => runGuarded(1_000, work)).toThrow(thrown)
  expect(runGuarded(1_000, () => 5)).toBe(5)
})

test('inside another guarded run the outer limit holds', () => {
  const hang = (): boolean => runGuarded(60_000, () => /^(?:a|a)*$/.test(`${'a'.repeat(60)}b`))
  expect(() => runGuarded(50, hang)).toThrow(expect.objectContaining({ code: 'REGEX_TIMEOUT' }))
  expect(runGuarded(1_000, () => 5)).toBe(5)
})
