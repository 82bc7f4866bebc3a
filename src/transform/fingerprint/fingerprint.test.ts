import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { testContext } from '../../../test/helpers/context.ts'
import { buildFilter, runFilter } from '../../../test/helpers/run-filter.ts'
import { fingerprint } from './fingerprint.ts'

/** The fingerprint of the field `v`. */
async function hashOf(options: { readonly [name: string]: unknown }, v: unknown): Promise<unknown> {
  const document = await runFilter(fingerprint, { source: 'v', target: 'fp', ...options }, JSON.stringify({ v }))
  return document?.['fp'] ?? document?.['tags']
}

// As Logstash made them.
const IP = '123.123.123.123'
test.each([
  [{ method: 'SHA1' }, IP, '3a5076c520b4b463f43806896ea0b3978d09dcae'],
  [{ method: 'SHA1', key: 'longencryptionkey' }, IP, 'fdc60acc4773dc5ac569ffb78fcb93c9630797f4'],
  [{ method: 'SHA1', key: 'longencryptionkey', base64encode: true }, IP, '/cYKzEdz3FrFaf+3j8uTyWMHl/Q='],
  [{ method: 'SHA1', base64encode: true }, IP, 'OlB2xSC0tGP0OAaJbqCzl40J3K4='],
  [{ method: 'SHA256' }, IP, '4dabcab210766e35f03e77120e6986d6e6d4752b2a9ff22980b9253d026080d8'],
  [{ method: 'SHA384' }, IP, 'fd605b0a3af3e04ce0d7a0b0d9c48d67a12dab811f60072e6eae84e35d567793ffb68a1807536f11c90874065c2a4392'],
  [
    { method: 'SHA512', key: 'longencryptionkey', base64encode: true },
    IP,
    'EcGbMmk2wI1sUKPIR9iD5aE2Lmpk3VUgGiXywawbZz99i/FbjxEqSXgnbVcydeOxQWbhckb2cMKlOUAcW/2s6A==',
  ],
  [{ method: 'MD5' }, IP, 'ccdd8d3d940a01b2fb3258c059924c0d'],
  [{ method: 'MD5', key: 'longencryptionkey' }, IP, '9336c879e305c9604a3843fc3e75948f'],
  [{ method: 'MD5' }, 'é', '66ddcd97cfdeabb2f6fb8a999b4bc76f'],
  [{ method: 'SHA256', key: 'secret' }, 5, 'd3123a7052b42272d9b520235008c248a5aff3221cc0c530b754702ad91ab102'],
  [{ method: 'MURMUR3' }, IP, 4013733395],
  [{ method: 'MURMUR3' }, 123, 823512154],
  [{ method: 'MURMUR3' }, 5, 1740791543],
  [{ method: 'MURMUR3' }, 1.5, 4025916689],
  [{ method: 'MURMUR3' }, true, 888000370],
  [{ method: 'MURMUR3' }, null, 0],
  [{ method: 'MURMUR3' }, ['a', 'b'], [1009084850, 2514386435]],
  [{ method: 'MURMUR3' }, { b: 1, a: 2 }, 3091115866],
])('%j of %j is %j', async (options, value, hash) => {
  expect(await hashOf(options, value)).toEqual(hash)
})

test.each([
  ['hello', 'aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d'],
  ['', 'da39a3ee5e6b4b0d3255bfef95601890afd80709'],
  [null, 'da39a3ee5e6b4b0d3255bfef95601890afd80709'],
  [1.5, 'aa8f289ebe6d4db1b4a1038b8931ec8c2b5399fb'],
  [true, '5ffe533b830f08a0326348a9160afafc8ada44db'],
  [
    ['a', 'b'],
    ['86f7e437faa5a7fce15d1ddcb9eaeaea377667b8', 'e9d71f5ee7c92d6dc9e92ffdad17b8bd49418f98'],
  ],
  [[], []],
  [{ b: 1, a: 2 }, 'e264d7af5ffb936d8736398947b438ffb3663124'],
])('by default it is the SHA1 of the text of %j', async (value, hash) => {
  expect(await hashOf({}, value)).toEqual(hash)
})

test('a missing source makes no fingerprint and counts as success', async () => {
  const document = await runFilter(fingerprint, { source: 'v', add_tag: ['ok'] }, { x: 1 })
  expect(document).toMatchObject({ x: 1, tags: ['ok'] })
  expect(document).not.toHaveProperty('fingerprint')
})

test('the order of maps at any depth, and how a decimal was written, make no difference', async () => {
  const texts = [
    ['{"9":{"b":[{"d":1,"c":null}]},"10":1.50}', '{"10":1.5,"9":{"b":[{"c":null,"d":1}]}}'],
    ['{"n":100.0}', '{"n":1e2}'],
    ['{"n":0.00001}', '{"n":1E-5}'],
  ]
  const run = await buildFilter(fingerprint, { source: 'v', method: 'MD5' })
  const fp = (text: string): unknown => JSON.parse(run(`{"v":${text}}`).event.toJsonText())['fingerprint']
  for (const [one = '', other = ''] of texts) expect(fp(one)).toBe(fp(other))
})

test.each([
  ['1.5', '1.5'],
  ['100.0', '100.0'],
  ['1e3', '1000.0'],
  ['1e15', '1000000000000000.0'],
  ['1e16', '1.0e+16'],
  ['1.25e-7', '1.25e-07'],
  ['0.0001', '0.0001'],
  ['-0.0', '-0.0'],
  ['12345678901234567890', '12345678901234567890'],
])('the number %s is hashed as %s', async (written, hashed) => {
  const run = await buildFilter(fingerprint, { source: ['v', 't'], method: 'SHA1', target: 'fp' })
  const fp = (text: string): unknown => JSON.parse(run(text).event.toJsonText())['fp']
  expect(fp(`{"v":${written}}`)).toBe(fp(`{"t":"${hashed}"}`))
})

describe('several sources', () => {
  const fields = { '@timestamp': '2017-07-26T14:44:27.064Z', field1: 'test1', field2: 'test2' }
  const run = async (options: { readonly [name: string]: unknown }): Promise<unknown> =>
    (await runFilter(fingerprint, options, fields))?.['fingerprint']

  test('the last one that is there wins', async () => {
    expect(await run({ source: ['field1', 'field2', 'none'] })).toBe('109f4b3c50d7b0df729d299bc6f8e9ef9066971f')
  })

  test('concatenated by name', async () => {
    const both = 'e3b6b71eedc656f1d29408264e8a75535db985cb'
    expect(await run({ source: ['field2', 'field1'], concatenate_sources: true })).toBe(both)
    expect(await run({ source: ['field2', 'none'], concatenate_sources: true })).not.toBe(both)
  })

  test('all fields of the event', async () => {
    const event = {
      '@timestamp': '2017-07-26T14:44:27.064Z',
      type: 'test',
      clientip: IP,
      message: 'This is a test message',
      log_level: 'INFO',
      offset: 123456789,
    }
    const document = await runFilter(fingerprint, { concatenate_all_fields: true }, event)
    expect(document?.['fingerprint']).toBe('cbf022518e97860403160ed8a41847c0db104e63')
  })
})

test('MURMUR3_128 takes whole numbers by their bytes and everything else by its text', async () => {
  const of = (v: unknown): Promise<unknown> => hashOf({ method: 'MURMUR3_128' }, v)
  expect(await of(5)).toMatch(/^[0-9a-f]{32}$/)
  expect(await of(5)).not.toBe(await of('5'))
  expect(await of('5')).toBe(((await hashOf({ method: 'MURMUR3_128' }, ['5'])) as string[])[0])
  expect(await of(2 ** 31)).not.toBe(await of(-(2 ** 31)))
  expect(
    Buffer.from((await hashOf({ method: 'MURMUR3_128', base64encode: true }, 'x')) as string, 'base64').toString('hex'),
  ).toBe(await of('x'))
})

test('punctuation and symbols stay, of the last source by name', async () => {
  const of = (v: unknown): Promise<unknown> => hashOf({ method: 'PUNCTUATION' }, v)
  expect(await of("PHP Warning:  json_encode() [<a href='function.json-encode'>x</a>]: Invalid UTF-8, line 233 €")).toBe(
    ":_()[<='.-'></>]:-,€",
  )
  expect(await of('')).toBe('')
  for (const value of [null, 5, true, ['!'], { a: '!' }]) expect(await of(value)).toEqual(['_fingerprintfailure'])
})

test.each([
  ['24', '1.2.3.4', '1.2.3.0'],
  ['0', '1.2.3.4', '0.0.0.0'],
  ['32', '1.2.3.4', '1.2.3.4'],
  ['20', '255.255.255.255', '255.255.240.0'],
  ['24', '1.2.3.4/16', '1.2.0.0'],
  ['48', '2001:218:1:2::9', '2001:218:1::'],
  ['64', '1.2.3.4', ['_fingerprintfailure']],
  ['24', 'bad', ['_fingerprintfailure']],
  ['24', '', ['_fingerprintfailure']],
  ['24', null, ['_fingerprintfailure']],
  ['24', 16909060, ['_fingerprintfailure']],
  ['24', { ip: '1.2.3.4' }, ['_fingerprintfailure']],
  ['24', ['1.2.3.4', '5.6.7.8'], ['1.2.3.0', '5.6.7.0']],
  ['24', ['1.2.3.4', 'bad'], ['_fingerprintfailure']],
])('the /%s network of %j is %j', async (key, value, network) => {
  expect(await hashOf({ method: 'IPV4_NETWORK', key }, value)).toEqual(network)
})

test.each([{}, { key: '' }, { key: 'abc' }, { key: '129' }])('a network needs a prefix length, not %j', async (options) => {
  await expect(buildFilter(fingerprint, { method: 'IPV4_NETWORK', ...options })).rejects.toThrow(/length of the network prefix/)
})

test('a UUID is another one each time, whatever the event', async () => {
  const run = await buildFilter(fingerprint, { method: 'UUID' })
  const one = JSON.parse(run({}).event.toJsonText())['fingerprint']
  expect(one).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  expect(JSON.parse(run({}).event.toJsonText())['fingerprint']).not.toBe(one)
})

test.each(['v1', 'v8'] as const)('with ECS %s it is the hash of the event', async (ecs_compatibility) => {
  const document = await runFilter(fingerprint, {}, { message: 'hello' }, testContext({ ecs_compatibility }))
  expect(document?.['event']).toEqual({ hash: 'aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d' })
})

test('a target that cannot be set is tagged', async () => {
  const options = { target: '[message][fp]', tag_on_failure: ['no', 'hash'], add_tag: ['ok'] }
  expect(await runFilter(fingerprint, options, { message: 'm' })).toMatchObject({ message: 'm', tags: ['no', 'hash'] })
})

test('any document has the same fingerprint every time, and nothing stops it', async () => {
  const runs = await Promise.all(
    ['SHA256', 'MURMUR3', 'MURMUR3_128', 'PUNCTUATION'].map((method) => buildFilter(fingerprint, { source: 'v', method })),
  )
  fc.assert(
    fc.property(fc.jsonValue(), (v) => {
      for (const run of runs) {
        const [one, other] = [run({ v }), run({ v })].map(({ event }) => event.toJsonText())
        expect(one).toBe(other)
      }
    }),
    { numRuns: 50 },
  )
})
