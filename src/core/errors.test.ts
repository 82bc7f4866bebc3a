import { expect, test } from 'vitest'
import { ConfigError, didYouMean } from './errors.ts'

const NAMES = ['beats', 'bootstrap_servers', 'drop', 'mutate', 'port', 'then']

test.each([
  ['prot', 'port'],
  ['bootstrap_server', 'bootstrap_servers'],
  ['boostrap_serves', 'bootstrap_servers'],
  ['mutat', 'mutate'],
  ['than', 'then'],
  ['boot', 'bootstrap_servers'],
])('%s is probably %s', (wanted, meant) => {
  expect(didYouMean(wanted, NAMES)).toEqual({ hint: `did you mean ${meant}?` })
})

test.each(['grok', 'ruby', 'x'])('%s is none of them: a wrong hint is worse than none', (wanted) => {
  expect(didYouMean(wanted, NAMES)).toBeUndefined()
})

test('problems come in the order of their places', () => {
  const at = (line: number, column: number) => ({
    code: 'CONFIG_SYNTAX' as const,
    at: { file: 'p.json', line, column },
    message: 'm',
  })
  expect(new ConfigError([at(2, 1), at(1, 9), at(1, 2)]).problems.map(({ at: { line, column } }) => `${line}:${column}`)).toEqual(
    ['1:2', '1:9', '2:1'],
  )
})
