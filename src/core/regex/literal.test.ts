import { expect, test } from 'vitest'
import { textRequiredBy } from './regex.ts'

test.each<[pattern: string, required: string]>([
  ['abc', 'abc'],
  ['a.bcd.e', 'bcd'],
  ['(?<n>ab)c(?:de)', 'abcde'],
  ['ab?cd', 'cd'],
  ['a(?:bc)+d', 'bc'],
  ['a(?:bc)*d', 'a'],
  ['abc|abd', ''],
  ['x(?:abc|abd)yz', 'yz'],
  ['\\] "', '] "'],
  ['ab\\b(?=xyz)(?!q)cd$', 'abcd'],
  ['(?i)abc', ''],
  ['(?i:abc)d', ''],
  ['[a]b', 'b'],
  ['(?>ab)c', 'abc'],
  ['a{0}bc', 'bc'],
  ['é😀.', 'é😀'],
])('what %s matches holds %j', (pattern, required) => {
  expect(textRequiredBy(pattern)).toBe(required)
})

test('a pattern that is none is refused with a code', () => {
  expect(() => textRequiredBy('(a')).toThrow(expect.objectContaining({ code: 'REGEX_INVALID' }))
})
