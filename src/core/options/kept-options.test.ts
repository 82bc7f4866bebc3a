import { expect, test } from 'vitest'
import { configValue } from '../../../test/helpers/config-value.ts'
import { kept, keptAs } from './kept-options.ts'
import type { Option } from './options.ts'

function told(option: Option<undefined>, value: unknown): string[] {
  const lines: string[] = []
  option.read(value === undefined ? undefined : configValue(value), ({ code, message, is_warning }) =>
    lines.push(`${is_warning === true ? 'warning' : code} ${message}`),
  )
  return lines
}

test.each([5, 'text', ['a', 'b'], { a: 1 }, true])('%o is taken with a warning that says why it does nothing', (value) => {
  expect(told(kept('there is one thread'), value)).toEqual(['warning it changes nothing here: there is one thread'])
})

test('an option that is not there is no news', () => {
  expect([...told(kept('x'), undefined), ...told(keptAs(['a'], 'x'), undefined)]).toEqual([])
})

test('of a kept option with values only those are taken, without a word', () => {
  const sniffing = keptAs(['false'], 'nodes are not sniffed')
  expect(told(sniffing, false)).toEqual([])
  expect(told(sniffing, 'false')).toEqual([])
  expect(told(sniffing, true)).toEqual(['CONFIG_OBSOLETE_OPTION true cannot be honoured: nodes are not sniffed. Taken: false'])
  expect(told(sniffing, ['false'])).toEqual([
    'CONFIG_OBSOLETE_OPTION a list cannot be honoured: nodes are not sniffed. Taken: false',
  ])
})
