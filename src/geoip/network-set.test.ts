import { expect, test } from 'vitest'
import { NetworkSet, parseNetwork } from './network-set.ts'

test.each([
  ['10.0.0.0/8', 8],
  ['10.1.2.3', 32],
  ['10.0.0.0/255.0.0.0', 8],
  ['0.0.0.0/0.0.0.0', 0],
  ['1.2.3.4/255.255.255.255', 32],
  ['2001:db8::/32', 32],
  ['::1', 128],
  ['[::1]', 128],
  ['::ffff:10.0.0.0/104', 8],
])('%s has %i bits', (text, length) => {
  expect(parseNetwork(text)).toMatchObject({ length })
})

test.each([
  '',
  'bad',
  '10.0.0',
  '10.0.0.0/33',
  '10.0.0.0/-1',
  '10.0.0.0/',
  '10.0.0.0/255.0.255.0',
  '::/129',
  '010.0.0.1',
  '1.2.3.4 ',
])('%j is none', (text) => {
  expect(parseNetwork(text)).toBeUndefined()
})

function holds(networks: readonly string[], address: string): boolean {
  const set = new NetworkSet()
  for (const text of networks) set.add(parseNetwork(text) ?? { words: [], length: -1 })
  return set.includes(parseNetwork(address) ?? { words: [], length: -1 })
}

test.each([
  [['10.0.0.0/8'], '10.255.0.1', true],
  [['10.0.0.0/8'], '11.0.0.1', false],
  [['10.9.9.9/8'], '10.0.0.1', true],
  [['0.0.0.0/0'], '255.1.1.1', true],
  [['0.0.0.0/0'], '::1', false],
  [['::/0'], '10.0.0.1', false],
  [['128.0.0.0/1'], '200.0.0.1', true],
  [['128.0.0.0/1'], '100.0.0.1', false],
  [['192.0.2.1', '192.0.2.3'], '192.0.2.3', true],
  [['192.0.2.1'], '192.0.2.2', false],
  [['2001:db8::/33'], '2001:db8:7fff::1', true],
  [['2001:db8::/33'], '2001:db8:8000::1', false],
  [['2001:db8::/128'], '2001:db8::', true],
  [['10.0.0.0/8'], '::ffff:10.1.1.1', true],
  [['10.0.0.0/16'], '10.0.0.0/8', false],
  [['10.0.0.0/8'], '10.3.0.0/16', true],
])('%j holds %s: %s', (networks, address, expected) => {
  expect(holds(networks, address)).toBe(expected)
})
