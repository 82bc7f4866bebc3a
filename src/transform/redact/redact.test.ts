import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { testContext } from '../../../test/helpers/context.ts'
import { buildFilter, runFilter } from '../../../test/helpers/run-filter.ts'
import { redact } from './redact.ts'

interface Options {
  readonly [name: string]: unknown
}

async function redacted(message: string, options: Options = {}): Promise<unknown> {
  return (await runFilter(redact, options, JSON.stringify({ message })))?.['message']
}

// Numbers that the schemes publish for tests.
describe('cards', () => {
  test.each([
    '4111111111111111',
    '4111 1111 1111 1111',
    '4111-1111-1111-1111',
    '4222222222222',
    '5555555555554444',
    '2223003122003222',
    '378282246310005',
    '3782 822463 10005',
    '6011111111111117',
    '30569309025904',
    '3530111333300000',
    '6205500000000000004',
  ])('%s', async (card) => {
    expect(await redacted(`pay with ${card}, please`)).toBe('pay with [redacted], please')
    expect(await redacted(card)).toBe('[redacted]')
  })

  test('one beside other digits', async () => {
    expect(await redacted('4111 1111 1111 1111 12 2029')).toBe('[redacted] 12 2029')
    expect(await redacted('order 17 4111-1111-1111-1111')).toBe('order 17 [redacted]')
    expect(await redacted('4111111111111111 5555555555554444')).toBe('[redacted] [redacted]')
    expect(await redacted(`${'7 '.repeat(70)}4111 1111 1111 1111`)).toBe(`${'7 '.repeat(70)}[redacted]`)
  })

  test.each([
    '4111111111111112',
    '1111111111111117',
    '41111111111111111111111111111111111',
    'a4111111111111111',
    '4111111111111111b',
    '4111111111111111-a1b2',
    '2026-01-02 03:04:05',
    '1767323045000',
    '1234567890123456789',
    '192.168.100.200',
    'f47ac10b-58cc-4372-a567-0e02b2c3d479',
  ])('%s is none', async (text) => {
    expect(await redacted(text)).toBe(text)
  })
})

const JWT = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U'
const AWS = 'AKIAIOSFODNN7EXAMPLE'
const KEY = '-----BEGIN RSA PRIVATE KEY-----\nMIIE-abc\n-def==\n-----END RSA PRIVATE KEY-----'

test.each([
  [`token=${JWT};`, 'token=[redacted];'],
  [`Authorization: Bearer ${JWT}`, 'Authorization: Bearer [redacted]'],
  ['authorization: bearer 0123456789abcdef0123', 'authorization: bearer [redacted]'],
  ['"Authorization": "Basic dXNlcjpwYXNz"', '"Authorization": "Basic [redacted]"'],
  ['bearer authentication failed', 'bearer authentication failed'],
  [`key ${AWS} used`, 'key [redacted] used'],
  ['aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', 'aws_secret_access_key = [redacted]'],
  [`ghp_${'a1'.repeat(18)}`, '[redacted]'],
  [`AIza${'x'.repeat(35)}`, '[redacted]'],
  [`sk_live_${'4'.repeat(24)}`, '[redacted]'],
  ['xoxb-1234567890-abcdef', '[redacted]'],
  [`before ${KEY} after`, 'before [redacted] after'],
  ['-----BEGIN PRIVATE KEY-----\nMIIE cut', '[redacted]'],
  ['-----BEGIN CERTIFICATE-----\nMIIE', '-----BEGIN CERTIFICATE-----\nMIIE'],
  ['from eve.o+x@mail.example.co.uk: hi', 'from [redacted]: hi'],
  ['<eve@example.com>,bob@example.org', '<[redacted]>,[redacted]'],
  ['user@localhost, @home, a@b', 'user@localhost, @home, a@b'],
  ['nothing at all', 'nothing at all'],
  ['', ''],
])('%j becomes %j', async (text, expected) => {
  expect(await redacted(text)).toBe(expected)
})

test('all texts of an event at any depth, its names, numbers and metadata not', async () => {
  const run = await buildFilter(redact, { add_tag: ['found'] })
  const mail = 'eve@example.com'
  const before = {
    a: [mail, { 'b@example.com': mail, n: 4111111111111111 }],
    '[x': mail,
    ['__proto__']: mail,
    '@metadata': { m: mail },
  }
  const { event } = run(before)
  expect(JSON.parse(event.toJsonText())).toMatchObject({
    a: ['[redacted]', { 'b@example.com': '[redacted]', n: 4111111111111111 }],
    '[x': '[redacted]',
    tags: ['found'],
  })
  expect(event.metadata).toEqual({ m: mail })
  expect(event.toJsonText()).not.toContain('eve')
  expect(run({ a: 1 }).event.toJsonText()).not.toContain('tags')
})

test('named fields only, metadata too', async () => {
  const run = await buildFilter(redact, { fields: ['[a][b]', '[@metadata][m]', 'none'] })
  const mail = 'eve@example.com'
  const { event } = run({ a: { b: [mail], c: mail }, d: mail, '@metadata': { m: mail } })
  expect(JSON.parse(event.toJsonText())).toMatchObject({ a: { b: ['[redacted]'], c: mail }, d: mail })
  expect(event.metadata).toEqual({ m: '[redacted]' })
})

test('chosen rules only, and an own replacement, taken as it is', async () => {
  expect(await redacted(`eve@example.com ${AWS}`, { rules: 'email', replacement: '$&' })).toBe(`$& ${AWS}`)
})

test('own patterns', async () => {
  const options = { rules: [], patterns: { account: '\\bACC-\\h{4}\\b', any: 'x*' }, replacement: '*' }
  expect(await redacted('ACC-12af xx ACC-12ag', options)).toBe('* * ACC-12ag')
})

test('a text on which an own pattern takes too long is replaced as a whole', async () => {
  expect(await redacted(`${'a'.repeat(40)}b`, { patterns: { slow: '^(a+)+$' } })).toBe('[redacted]')
})

test('what was taken out is counted by rule', async () => {
  const context = testContext()
  await runFilter(redact, { patterns: { account: 'ACC-\\d+' } }, { message: `a@example.com b@example.com ${AWS} ACC-1` }, context)
  const text = await context.metrics.text()
  for (const [rule, count] of Object.entries({ email: 2, api_key: 1, account: 1, card: 0 })) {
    expect(text).toContain(`millrace_redacted_total{component="test",rule="${rule}"} ${count}`)
  }
})

test.each([
  [{ rules: ['cards'] }, /expected some of card, token/],
  [{ patterns: { a: '(' } }, /REGEX_INVALID/],
  [{ patterns: { a: ['x'] } }, /patterns\.a/],
])('%j is refused', async (options, message) => {
  await expect(buildFilter(redact, options)).rejects.toThrow(message)
})

test('what was redacted once has nothing left to redact, and nothing takes long', async () => {
  const run = await buildFilter(redact, {})
  const words = fc.constantFrom(
    '4111 1111 1111 1111',
    'eve@example.com',
    JWT,
    AWS,
    KEY,
    'bearer ',
    '-----BEGIN PRIVATE KEY-----',
    ' ',
    '1',
    'a',
  )
  const once = (message: string): string => (JSON.parse(run({ message }).event.toJsonText()) as { message: string }).message
  fc.assert(
    fc.property(fc.array(words, { maxLength: 20 }), (parts) => {
      const text = once(parts.join(' '))
      expect(once(text)).toBe(text)
    }),
    { numRuns: 100 },
  )
  const started = performance.now()
  for (const part of [
    '1 ',
    '4111 ',
    'a@',
    '@',
    'eyJ',
    'bearer ',
    '-',
    '-----BEGIN PRIVATE KEY-----',
    'a.',
    'authorization: ',
    'ghp_',
  ]) {
    once(part.repeat(200_000 / part.length))
  }
  expect(performance.now() - started).toBeLessThan(3000)
})
