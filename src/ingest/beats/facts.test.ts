import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseJson } from '../../core/json/json.ts'
import { ScannedObject } from '../../core/json/scanned-object.ts'
import type { Fields } from '../../core/values.ts'
import { hostName, logFacts } from './facts.ts'

/** Of a frame that is still its text, and of the same frame parsed. */
function both(json: string): [scanned: unknown, parsed: unknown] {
  const source = ScannedObject.read(json)
  const { value } = parseJson(json)
  const read = (frame: Parameters<typeof logFacts>[0]): unknown => [logFacts(frame), hostName(frame, undefined)]
  return [read({ fields: {}, source }), read({ fields: value as Fields, source: undefined })]
}

const FILE = '"file":{"path":"/var/log/a.log","inode":"7"}'

test.each([
  ['{"offset":311,"file":{"path":"/var/log/a.log","device_id":"64769","inode":"1234"}}', '/var/log/a.log', '311'],
  [`{${FILE},"offset":0}`, '/var/log/a.log', '0'],
  [`{${FILE},"offset": 5}`, '/var/log/a.log', '5'],
  [`{${FILE},"offset":"12"}`, '/var/log/a.log', '12'],
  [`{${FILE},"offset":123456789012345678901}`, '/var/log/a.log', '123456789012345678901'],
  [`{${FILE},"offset":1.50}`, '/var/log/a.log', '1.50'],
  [`{${FILE},"more":{"offset":9}}`, '/var/log/a.log', undefined],
  [`{${FILE},"more":{"offset":9},"offset":10}`, '/var/log/a.log', '10'],
  ['{"offset":4,"file":{"path":"a \\"offset\\":7, b"}}', 'a "offset":7, b', '4'],
  ['{"offset":-1}', undefined, '-1'],
])('of the log %s', (log, path, offset) => {
  // The second time the text is known.
  for (let time = 0; time < 2; time++) {
    const [scanned, parsed] = both(`{"log":${log}}`)
    expect(scanned).toMatchObject([{ file: { path }, offset }, undefined])
    expect(parsed).toEqual(scanned)
  }
})

test.each([
  ['{"agent":{"name":"mx-01","id":"9"},"host":{"name":"other"}}', 'mx-01'],
  ['{"agent":{"id":"9"},"host":{"name":"other"}}', '9'],
  ['{"agent":{"version":"9"},"host":{"name":"other"}}', 'other'],
  ['{"agent":"mx-01","host":{"hostname":"other"}}', 'other'],
  ['{"agent":[1],"host":"other"}', undefined],
])('the host of %s', (json, name) => {
  expect(both(json)).toEqual([
    [undefined, name],
    [undefined, name],
  ])
})

test('a frame tells the same as text and parsed, whatever it holds', () => {
  const value = fc.oneof(fc.string(), fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constant(null))
  const name = fc.constantFrom('offset', 'file', 'path', 'inode', 'name', 'id', 'hostname', 'x')
  const map = fc.dictionary(name, fc.oneof(value, fc.dictionary(name, value)))
  const frames = fc.record({ log: fc.oneof(value, map), agent: fc.oneof(value, map), host: fc.oneof(value, map) })
  fc.assert(
    fc.property(frames, (frame) => {
      const [scanned, parsed] = both(JSON.stringify(frame))
      expect(scanned).toEqual(parsed)
    }),
    { numRuns: 2_000 },
  )
})

test('of lines of many files in turn, whose logs differ in a few letters', () => {
  const number = fc.constantFrom(
    '0',
    '7',
    '12',
    '123456789012345',
    '1234567890123456',
    '0e5',
    '12e5',
    '12.0',
    '-7',
    '" 7"',
    'null',
  )
  const file = fc.constantFrom(...Array.from({ length: 20 }, (_, n) => `"file":{"path":"/var/log/${n % 10}.log","inode":${n}}`))
  const shape = fc.constantFrom(
    (offset: string, named: string) => `{"offset":${offset},${named}}`,
    (offset: string, named: string) => `{${named},"offset":${offset}}`,
    (offset: string, named: string) => `{${named},"offset": ${offset} ,"flags":["multiline"]}`,
    (offset: string, named: string) => `{${named},"offset":${offset},"flags":[{"offset":7}]}`,
    (offset: string, named: string) => `{"flags":{"offset":${offset}},${named}}`,
  )
  const log = fc.tuple(shape, number, file).map(([print, offset, named]) => print(offset, named))
  fc.assert(
    fc.property(fc.array(log, { minLength: 20, maxLength: 60 }), (logs) => {
      for (const text of logs) {
        const [scanned, parsed] = both(`{"log":${text}}`)
        expect(scanned).toEqual(parsed)
      }
    }),
    { numRuns: 200 },
  )
})
