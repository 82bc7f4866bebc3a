import { BlockList } from 'node:net'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatNetwork, parseAddress } from './address.ts'

test('an IPv6 address prints in full, as Logstash prints it', () => {
  expect(parseAddress('2001:218::1')?.text).toBe('2001:218:0:0:0:0:0:1')
  expect(parseAddress('[2001:DB8::A]')?.text).toBe('2001:db8:0:0:0:0:0:a')
  expect(parseAddress('::')?.text).toBe('0:0:0:0:0:0:0:0')
})

test('an IPv4 address within IPv6 is read as IPv4', () => {
  expect(parseAddress('::ffff:81.2.69.160')).toEqual(parseAddress('81.2.69.160'))
  expect(parseAddress('::ffff:255.255.255.255')?.text).toBe('255.255.255.255')
})

test('what is not exactly an address is none: host names, blanks, ports, zones, short and padded forms', () => {
  const wrong = ['', '-', 'example.com', ' 81.2.69.160', '81.2.69.160 ', '81.2.69', '81.2.69.160:80', '999.1.1.1', '1.2.3.4.5']
  const more = [
    '01.2.3.4',
    '1.2.3.04',
    '1..2.3',
    '.1.2.3',
    '1.2.3.',
    '81.2.69.160,10.0.0.1',
    'fe80::1%eth0',
    ':::',
    '1::2::3',
    '[::1',
    '12345::',
  ]
  for (const text of [...wrong, ...more]) expect(parseAddress(text), text).toBeUndefined()
})

test('any text is read or refused, never more', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.ipV4(), fc.ipV6(), fc.string({ unit: fc.constantFrom(...'0123456789.:[]af%'.split('')) })),
      (text) => {
        const address = parseAddress(text)
        return address === undefined || address.words.length === 1 || address.words.length === 4
      },
    ),
  )
})

test('every IPv4 and IPv6 address is read as Node reads it', () => {
  const sameAddress = (text: string, family: 'ipv4' | 'ipv6') => {
    const printed = parseAddress(text)?.text ?? 'none'
    const list = new BlockList()
    list.addAddress(text, family)
    expect(list.check(printed, printed.includes(':') ? 'ipv6' : 'ipv4'), `${text} as ${printed}`).toBe(true)
  }
  fc.assert(fc.property(fc.ipV4(), (text) => sameAddress(text, 'ipv4')))
  fc.assert(fc.property(fc.ipV6(), (text) => sameAddress(text, 'ipv6')))
})

test('a network prints its first address and its length', () => {
  const networkOf = (text: string, length: number) => formatNetwork(parseAddress(text)?.words ?? [], length)
  expect(networkOf('216.160.83.58', 29)).toBe('216.160.83.56/29')
  expect(networkOf('255.255.255.255', 0)).toBe('0.0.0.0/0')
  expect(networkOf('2001:218:ffff::1', 32)).toBe('2001:218:0:0:0:0:0:0/32')
})
