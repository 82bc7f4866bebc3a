import { expect, test } from 'vitest'
import { costOfRubyRegex, type RegexFlags } from './regex.ts'

test.each<[pattern: string, degree: number]>([
  ['error|warn|info', 1],
  ['\\Aerror', 0],
  ['a+b', 2],
  ['^a+b', 1],
  ['^\\s+b', 2],
  ['\\Aa+b', 1],
  ['\\A\\d+-\\d+', 1],
  ['\\d+-\\d+', 2],
  ['\\d{1,3}(?:\\.\\d{1,3}){3}', 1],
  ['\\A\\d+\\d*', 2],
  ['.*foo.*bar', 3],
  ['(.*?),(.*?),(.*?),', 4],
  ['(?:\\d+,)*x', 2],
  ['(?:/[a-z]*)+', 2],
  ['"(?:[^"\\\\]|\\\\.)*"', 2],
  ['\\A(?=a+b)', 1],
  ['\\A(?<=a+)b', 1],
  ['(a+)\\1b', 3],
  ['a{2,50}b', 2],
])('the search for %s costs at most the length to the power of %i', (pattern, degree) => {
  expect(costOfRubyRegex(pattern)).toMatchObject({ kind: 'polynomial', degree })
})

test.each<[pattern: string, flags: RegexFlags, sample: string]>([
  ['(a+)+b', '', 'a'],
  ['(?:a|a)*b', '', 'a'],
  ['(?:ab|a|b)+$', '', 'b'],
  ['(?:\\d+,?)*x', '', '0'],
  ['([A-Za-z]+ ?)+$', '', 'a'],
  ['(?:a?b?)*c', '', 'b'],
  ['(?:\\d{1,3})*x', '', '0'],
  ['(?:[a-z]|A)*x', 'i', 'a'],
  ['(?=(?:a*)*b)c', '', 'a'],
  ['(?:[[:digit:]]|\\p{L}|5)*x', '', '5'],
  ['(?:\\n|.)*x', 'm', '\\n'],
])('/%s/%s is exponential on runs of %j', (pattern, flags, sample) => {
  expect(costOfRubyRegex(pattern, flags)).toMatchObject({
    kind: 'exponential',
    reason: expect.stringContaining(`a run of "${sample}"`) as string,
  })
})

test.each([
  ['(?:a|A)*x', ''],
  ['(?:\\n|.)*x', ''],
  ['(?>a+)+b', ''],
  ['(?>\\\\.|[^\\\\"]+)+"', ''],
  ['(?:a++)*b', ''],
  ['(?:a|b)*c', ''],
] as const)('/%s/%s is not', (pattern, flags) => {
  expect(costOfRubyRegex(pattern, flags).kind).toBe('polynomial')
})

test.each([['(?<r>a\\g<r>?b)'], ['(?~abc)']])('what %s costs is not known', (pattern) => {
  expect(costOfRubyRegex(pattern)).toMatchObject({ kind: 'unknown', reason: expect.stringContaining('it ') as string })
})

test('many ways without a loop are in the factor', () => {
  expect(costOfRubyRegex(`${'a?'.repeat(20)}b`)).toMatchObject({ kind: 'polynomial', degree: 1 })
  const cost = costOfRubyRegex(`${'a?'.repeat(20)}b`)
  expect(cost.kind === 'polynomial' && cost.factor).toBeGreaterThan(2 ** 20)
})
