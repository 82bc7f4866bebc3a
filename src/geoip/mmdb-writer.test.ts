import { readFileSync } from 'node:fs'
import * as fc from 'fast-check'
import { Reader, type Response } from 'maxmind'
import { expect, test } from 'vitest'
import { parseAddress } from './address.ts'
import { MmdbNumber, type MmdbValue, writeDatabase } from './mmdb-writer.ts'
import { SearchTree } from './search-tree.ts'

// The library that everybody reads these files with is the judge of what we write.
const contents = { database_type: 'Test', description: 'a test', build_time_s: 1_767_225_600 }

function treeOf(bytes: Buffer): SearchTree {
  const { nodeCount, recordSize, ipVersion } = new Reader<Response>(bytes).metadata
  return new SearchTree(bytes, { node_count: nodeCount, record_size: recordSize, ip_version: ipVersion })
}

test('values of every type come back as they were written', () => {
  const record = {
    text: 'Linköping',
    long: 'x'.repeat(300),
    longer: 'y'.repeat(70_000),
    empty: '',
    zero: 0,
    whole: 4_294_967_295,
    fraction: -0.0931,
    double: new MmdbNumber('double', 52),
    short: new MmdbNumber('uint16', 819),
    yes: true,
    no: false,
    list: ['a', 'a', { nested: 'Linköping' }],
    names: { nested: 'Linköping' },
  }
  const reader = new Reader<Response>(writeDatabase({ ...contents, networks: [{ network: '81.2.69.0/24', record }] }))
  expect(reader.get('81.2.69.160')).toEqual({ ...record, double: 52, short: 819 })
  expect(reader.metadata).toMatchObject({ databaseType: 'Test', buildEpoch: new Date('2026-01-01'), ipVersion: 6 })
})

test('a value that comes again costs a pointer, however far back it is', () => {
  const networks = Array.from({ length: 3000 }, (_, index) => ({
    network: `10.${index >>> 8}.${index & 0xff}.0/24`,
    record: { number: index, filler: `${index} ${'z'.repeat(300)}`, shared: { name: 'the same map' } },
  }))
  const bytes = writeDatabase({ ...contents, networks })
  const reader = new Reader<Response>(bytes)
  for (const { network, record } of networks) expect(reader.get(network.replace('0/24', '7'))).toEqual(record)
  expect(bytes.toString('latin1').split('the same map').length - 1).toBe(1)
})

test('a network that is none, or does not fit the version, is refused', () => {
  const write = (network: string, ip_version: 4 | 6) =>
    writeDatabase({ ...contents, ip_version, networks: [{ network, record: 'x' }] })
  for (const network of ['81.2.69.0', '81.2.69.0/33', 'example/8', '/8']) expect(() => write(network, 6)).toThrow(RangeError)
  expect(() => write('2001:218::/32', 4)).toThrow('cannot hold 2001:218::/32')
})

const network = fc.oneof(
  fc.tuple(fc.ipV4(), fc.integer({ min: 1, max: 32 })),
  fc.tuple(fc.ipV6(), fc.integer({ min: 8, max: 128 })),
)

test('our walk finds what the library finds, with every record size', () => {
  const sizes = fc.constantFrom<(24 | 28 | 32)[]>(24, 28, 32)
  fc.assert(
    fc.property(fc.array(network, { minLength: 1, maxLength: 30 }), sizes, fc.array(fc.ipV4()), (drawn, record_size, others) => {
      const networks = drawn.map(([address, length], index): { network: string; record: MmdbValue } => ({
        network: `${parseAddress(address)?.words.length === 1 ? parseAddress(address)?.text : address}/${length}`,
        record: { index },
      }))
      const sound = networks.filter(({ network: text }) => text.includes(':') || Number(text.split('/')[1]) <= 32)
      const bytes = writeDatabase({ ...contents, record_size, networks: sound })
      const reader = new Reader<Response>(bytes)
      const tree = treeOf(bytes)
      const addresses = [...drawn.map(([address]) => address), ...others].map((text) => parseAddress(text))
      const places = new Map<number, unknown>()
      for (const address of addresses) {
        if (address === undefined) continue
        const record = reader.get(address.text)
        const place = tree.find(address.words)
        expect(place !== 0).toBe(record !== null)
        expect(tree.networkLength(address.words)).toBe(reader.getWithPrefixLength(address.text)[1])
        expect(places.get(place) ?? record).toEqual(record)
        places.set(place, record)
      }
    }),
    { numRuns: 200 },
  )
})

test('a database of IPv4 alone knows no IPv6 address', () => {
  const bytes = writeDatabase({ ...contents, ip_version: 4, networks: [{ network: '81.2.69.0/24', record: { a: 1 } }] })
  const tree = treeOf(bytes)
  expect(tree.find(parseAddress('81.2.69.160')?.words ?? [])).toBeGreaterThan(0)
  expect(tree.find(parseAddress('5102:45a0::')?.words ?? [])).toBe(0)
})

test('the built-in sample knows every address that the sample log may draw', () => {
  const config = new URL('../../config/geoip/', import.meta.url)
  const table = JSON.parse(readFileSync(new URL('sample.json', config), 'utf8')) as {
    networks: { sample_address: string; country_code: string }[]
  }
  const reader = new Reader<Response>(readFileSync(new URL('millrace-sample.mmdb', config)))
  for (const { sample_address, country_code } of table.networks) {
    expect(reader.get(sample_address), sample_address).toMatchObject({ country: { iso_code: country_code } })
  }
})
