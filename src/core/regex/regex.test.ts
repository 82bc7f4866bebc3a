import { expect, test } from 'vitest'
import { compileRegex } from './regex.ts'

function matches(source: string, text: string): string[] {
  return [...text.matchAll(compileRegex(source, 'g'))].map(([match]) => match)
}

test.each([
  ['^b', 'a\nb', ['b']],
  ['a$', 'a\nb', ['a']],
  ['\\Ab', 'a\nb', []],
  ['a\\z', 'ba\n', []],
  ['a.b', 'a\nb', []],
  ['(?m)a.b', 'a\nb', ['a\nb']],
  ['(?i)abc', 'ABC', ['ABC']],
  ['a++ab', 'aaab', []],
  ['(?>a|ab)c', 'abc', []],
  ['\\h+', 'xFf0g', ['Ff0']],
  ['[[:alpha:]]+', 'été 1', ['été']],
  ['\\w+', 'été', ['t']],
  ['\\b\\w+\\b', 'été ab', ['ab']],
  ['[\\w-.]+', 'a-b.c d', ['a-b.c', 'd']],
  ['[^\\s]+', 'a\u00a0b c', ['a\u00a0b', 'c']],
  ['\\d', '１2', ['2']],
  ['a/b\\.c', 'a/b.c', ['a/b.c']],
  ['\\.', 'a.b', ['.']],
])('/%s/ on %j matches as in Ruby', (source, text, expected) => {
  expect(matches(source, text)).toEqual(expected)
})

test('groups keep their numbers beside atomic groups', () => {
  expect([...(compileRegex('(?>x)(a)(b)').exec('xab') ?? [])]).toEqual(['xab', 'a', 'b'])
  expect(compileRegex('(?>x)(?<n>a)').exec('xa')?.groups?.['n']).toBe('a')
})

test('groups without a name do not count beside named ones', () => {
  expect([...(compileRegex('(?<n>a)(b)').exec('ab') ?? [])]).toEqual(['ab', 'a'])
})

test.each(['[', '(a', '\\', '(?<'])('%s is refused with a code', (source) => {
  expect(() => compileRegex(source)).toThrow(expect.objectContaining({ code: 'REGEX_INVALID' }))
})

test('the same text gives the same object, with other flags another one', () => {
  expect(compileRegex('^a')).toBe(compileRegex('^a'))
  expect(compileRegex('^a', 'g')).not.toBe(compileRegex('^a'))
  expect(compileRegex('a.b', 'm').test('a\nb')).toBe(true)
})
