import { expect, test } from 'vitest'
import { CHARSETS, type Charset, decoderOf } from './charset.ts'

test.each<[Charset, number[], string]>([
  ['UTF-8', [0xc3, 0xa9], 'é'],
  ['UTF-8', [0x63, 0xe9], 'c\ufffd'],
  ['ISO-8859-1', [0xe9, 0x80], 'é\u0080'],
  ['CP1252', [0x80], '€'],
  ['US-ASCII', [0x61, 0xe9], 'a\ufffd'],
  ['macRoman', [0x8e], 'é'],
  ['UTF-16LE', [0xe9, 0x00], 'é'],
])('%s bytes %j are %s', (charset, bytes, text) => {
  expect(decoderOf(charset)(Buffer.from(bytes))).toBe(text)
})

test.each(CHARSETS)('%s has a decoder', (charset) => {
  expect(decoderOf(charset)(Buffer.from(charset.startsWith('UTF-16') ? [] : 'abc'))).toMatch(/^(?:abc)?$/)
})
