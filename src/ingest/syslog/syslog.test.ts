import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect } from 'node:net'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { type TestContext, testContext } from '../../../test/helpers/context.ts'
import { buildInput, Collector, type RunningInput, startInput } from '../../../test/helpers/run-input.ts'
import { waitFor } from '../../../test/helpers/wait-for.ts'
import { json } from '../../codecs/json.ts'
import { plain } from '../../codecs/plain.ts'
import { readSyslogLine } from './line.ts'
import { syslog } from './syslog.ts'

interface Running extends RunningInput {
  tcp(text: string): Promise<void>
  udp(text: string): Promise<void>
}

async function start(
  options: { readonly [name: string]: unknown } = {},
  context: TestContext = testContext(),
  max_event_bytes?: number,
): Promise<Running> {
  const collector = new Collector()
  const settings = { host: '127.0.0.1', port: 0, timezone: 'UTC', ...options }
  const source = buildInput(syslog, [json, plain], settings, collector, context, max_event_bytes)
  const input = startInput(source, collector, context)
  const address = await waitFor('listening', () => context.address())
  const port = Number(address.split(':').at(-1))
  return {
    ...input,
    tcp: async (text) => {
      const socket = connect(port, '127.0.0.1')
      await once(socket, 'connect')
      socket.on('error', () => {})
      socket.end(text)
    },
    udp: async (text) => {
      const socket = createSocket('udp4')
      await new Promise((resolve) => socket.send(text, port, '127.0.0.1', resolve))
      socket.close()
    },
  }
}

/** What becomes of a line that the end of its connection ends. */
async function eventOf(line: string, options = {}, context: TestContext = testContext()): Promise<{ [name: string]: unknown }> {
  await using input = await start(options, context)
  await input.tcp(line)
  await input.collector.until(() => input.collector.events.length === 1)
  return input.collector.documents[0] ?? {}
}

const LINE = "<34>Jan  1 22:14:15 mymachine su[42]: 'su root' failed"

test('a line by TCP and by UDP', async () => {
  await using input = await start()
  await input.tcp(`${LINE}\n`)
  await input.collector.until(() => input.collector.events.length === 1)
  await input.udp(LINE)
  await input.collector.until(() => input.collector.events.length === 2)
  const expected = {
    '@timestamp': '2026-01-01T22:14:15.000Z',
    '@version': '1',
    message: "'su root' failed",
    host: '127.0.0.1',
    priority: 34,
    facility: 4,
    severity: 2,
    facility_label: 'security/authorization',
    severity_label: 'Critical',
    timestamp: 'Jan  1 22:14:15',
    logsource: 'mymachine',
    program: 'su',
    pid: '42',
  }
  expect(input.collector.documents).toEqual([{ ...expected, message: "'su root' failed\n" }, expected])
})

test('with ECS', async () => {
  expect(await eventOf(LINE, {}, testContext({ ecs_compatibility: 'v8' }))).toEqual({
    '@timestamp': '2026-01-01T22:14:15.000Z',
    '@version': '1',
    message: "'su root' failed",
    event: { original: LINE },
    host: { ip: '127.0.0.1', hostname: 'mymachine' },
    log: {
      syslog: {
        priority: 34,
        facility: { code: 4, name: 'security/authorization' },
        severity: { code: 2, name: 'Critical' },
      },
    },
    process: { name: 'su', pid: 42 },
    service: { type: 'system' },
  })
})

test('ISO times, another zone, no labels, labels of their own', async () => {
  expect(await eventOf('<13>2026-01-02T03:04:05.678+01:00 web1 app: up')).toMatchObject({
    '@timestamp': '2026-01-02T02:04:05.678Z',
    timestamp: '2026-01-02T03:04:05.678+01:00',
    timestamp8601: '2026-01-02T03:04:05.678+01:00',
  })
  const numbers = await eventOf('<13>Jan 02 03:04:05 web1 up', { timezone: 'Europe/Berlin', use_labels: false })
  expect(numbers).toMatchObject({ '@timestamp': '2026-01-02T02:04:05.000Z', message: 'up', facility: 1, severity: 5 })
  expect(numbers).not.toHaveProperty('facility_label')
  expect(numbers).not.toHaveProperty('program')
  expect(await eventOf('<13>Jan 2 03:04:05 web1 up', { facility_labels: ['k', 'u'], severity_labels: ['e'] })).toMatchObject({
    facility_label: 'u',
  })
})

test('what is no such line keeps its text and counts as priority 0, as in Logstash', async () => {
  expect(await eventOf('hello', { tags: ['t'] })).toMatchObject({
    message: 'hello',
    tags: ['t', '_grokparsefailure_sysloginput'],
    priority: 0,
    facility: 0,
    severity: 0,
    facility_label: 'kernel',
    severity_label: 'Emergency',
    host: '127.0.0.1',
  })
})

test('a day that does not exist is a time that cannot be read', async () => {
  expect(await eventOf('<13>Feb 31 03:04:05 web1 up')).toMatchObject({ tags: ['_dateparsefailure'], message: 'up' })
})

test('another field, by another codec', async () => {
  const line = JSON.stringify({ line: '<13>Jan 2 03:04:05 web1 up', message: 'm' })
  expect(await eventOf(line, { codec: 'json', syslog_field: 'line' })).toMatchObject({
    line: 'up',
    message: 'm',
    logsource: 'web1',
  })
})

test('lines of another form, by a pattern', async () => {
  const grok_pattern = '<%{POSINT:priority:int}>%{SYSLOGTIMESTAMP:timestamp} (?<zone>\\w+) atypical %{GREEDYDATA:message}'
  expect(await eventOf('<164>Jan  2 03:04:05 dc1 atypical m', { grok_pattern })).toMatchObject({
    '@timestamp': '2026-01-02T03:04:05.000Z',
    message: 'm',
    zone: 'dc1',
    priority: 164,
    facility_label: 'local4',
  })
  expect(await eventOf(LINE, { grok_pattern })).toMatchObject({ tags: ['_grokparsefailure_sysloginput'], message: LINE })
  expect(() => buildInput(syslog, [plain], { grok_pattern: '%{NOPE}' }, new Collector())).toThrow('pattern %{NOPE} not defined')
})

test('a load balancer tells who sends', async () => {
  expect(await eventOf(`PROXY TCP4 10.0.0.7 10.0.0.1 1 2\r\n${LINE}`, { proxy_protocol: true })).toMatchObject({
    host: '10.0.0.7',
  })
})

test('a line over the limit goes to the dead letters, the others go on', async () => {
  await using input = await start({}, testContext(), 100)
  await input.tcp(`${'x'.repeat(200)}\n${LINE}\n`)
  await input.collector.until(() => input.collector.events.length === 1)
  expect(input.collector.deadLetters).toMatchObject([{ reason: 'too_large' }])
})

test('a zone or a language that is none is refused', () => {
  expect(() => buildInput(syslog, [plain], { timezone: 'Mars' }, new Collector())).toThrow('timezone: expected a name')
  expect(() => buildInput(syslog, [plain], { locale: '!' }, new Collector())).toThrow('locale: expected a language tag')
})

test.each([
  ['<1>Oct 11 22:14:15 h p: m', { priority: 1, host: 'h', program: 'p', pid: undefined, message: 'm' }],
  ['noise <1>Oct 11 22:14:15 h p: m\nmore', { program: 'p', message: 'm\nmore' }],
  ['<1>Oct 11 22:14:15 h m', { program: undefined, message: 'm' }],
  ['<1>Oct 11 22:14:15 h p:', { program: undefined, message: 'p:' }],
  ['<1>Oct 11 22:14:15 h p: ', { program: 'p', message: '' }],
  ['<1>Oct 11 22:14:15 h a/b:c[7]: m: n', { program: 'a/b:c', pid: '7', message: 'm: n' }],
  ['<1>Oct 11 22:14:15 h p[0]: m', { program: undefined, message: 'p[0]: m' }],
  ['<1>Oct 11 22:14:15 10.0.0.1 p: m', { host: '10.0.0.1' }],
  ['<1>Oct 11 22:14:15 fe80::1%eth0 p: m', { host: 'fe80::1%eth0' }],
  ['<1>October 11 22:14:15.123 h p: m', { timestamp: 'October 11 22:14:15.123' }],
  ['<1>Oct 11 22:14:15 <3.4> h p: m', { host: 'h' }],
  ['<1>2026-01-02 03:04:05Z h p: m', { timestamp: '2026-01-02 03:04:05Z', is_iso: true }],
])('%s', (text, expected) => {
  expect(readSyslogLine(text)).toMatchObject(expected)
})

test.each([
  '',
  '<0>Oct 11 22:14:15 h p: m',
  '<1>Okt 11 h p: m',
  '<1>Oct 11 25:14:15 h p: m',
  '<1>Oct 11 22:14:15 h',
  '<1>Oct 11 22:14:15 h_1 p: m',
  '<1>1 2026-01-02T03:04:05Z h p - - m',
  `<1${'0'.repeat(1_000)}>Oct 11 22:14:15 h p: m`,
])('no such line: %.60s', (text) => {
  expect(readSyslogLine(text)).toBeUndefined()
})

test('hostile lines cost no more than their length', () => {
  const started_ms = performance.now()
  for (const part of ['<1>', '<1>Oct 11 22:14:15 ', '<1>Oct 11 22:14:15 a.', '<1>Oct 11 22:14:15 a:', 'a-', ' ']) {
    readSyslogLine(part.repeat(50_000))
    readSyslogLine(`<1>Oct 11 22:14:15 ${part.repeat(50_000)}`)
  }
  expect(performance.now() - started_ms).toBeLessThan(2_000)
  fc.assert(fc.property(fc.string(), (text) => void readSyslogLine(`<1>Oct 11 22:14:15 ${text}`)))
})
