import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type TestStatus, testStatus, withTotals } from '../../test/helpers/status.ts'
import { createLog } from '../telemetry/log.ts'
import { MetricsRegistry } from '../telemetry/metrics.ts'
import { Terminal } from '../telemetry/terminal.ts'
import { StatusMonitor } from './monitor.ts'
import { formatGreeting, formatStatus, StatusLine } from './status-line.ts'

function watch(is_tty: boolean) {
  const source = testStatus()
  const clock = { now_ms: 0 }
  const stop = new AbortController()
  const monitor = new StatusMonitor(source, new MetricsRegistry(), stop.signal, () => clock.now_ms)
  // Samples are taken by the tests themselves, not by the clock.
  stop.abort()
  const stream = Object.assign(new PassThrough(), { isTTY: is_tty, columns: 100 })
  let text = ''
  stream.on('data', (piece: Buffer) => {
    text += piece.toString()
  })
  const advance = (received: number): void => {
    clock.now_ms += 1000
    source.current = { ...withTotals(source.current, received, received - 45), errors_total: 3 }
    monitor.sample()
  }
  const terminal = new Terminal(stream, {})
  const records: LogRecord[] = []
  const json_to = { write: (line: string) => void records.push(JSON.parse(line) as LogRecord) }
  const log = createLog({ level: 'info', terminal, json_to })
  return { source, clock, monitor, terminal, log, records, advance, text: () => text }
}

interface LogRecord {
  readonly kind: string
  readonly msg: string
}

test('the line tells received, stored, errors and rate', () => {
  const { monitor, advance } = watch(true)
  advance(12_345)
  expect(formatStatus(monitor.view)).toBe('received 12,345  stored 12,300  errors 3  12,345/s')
})

test('dead letters, dropped events and books that do not balance are told as well', () => {
  const { source, monitor } = watch(true)
  const { totals } = source.current
  source.current = {
    ...source.current,
    totals: { ...totals, unbalanced: -2, states: { ...totals.states, dead_lettered: 7, dropped: 1_200 } },
  }
  monitor.sample()
  expect(formatStatus(monitor.view)).toBe('received 0  stored 0  errors 0  0/s  dead letters 7  dropped 1,200  UNBALANCED -2')
})

const OUTPUT = { id: 'out', name: 'elasticsearch', where: 'http://es:9200', state: 'open', is_well: true, counts: {} }

/** 45 events wait, and the output tells this. */
function holding(source: TestStatus, state: string, is_well: boolean): void {
  const { totals } = source.current
  source.current = {
    ...source.current,
    totals: { ...totals, holders: { batch: 5, bulk: 40 } },
    outputs: [{ ...OUTPUT, state, is_well }],
  }
}

test('what an output that is not well says is told, with how many events are held', () => {
  const { source, monitor } = watch(true)
  holding(source, 'http://es:9200 cannot be reached: connect ECONNREFUSED', false)
  monitor.sample()
  expect(formatStatus(monitor.view)).toBe(
    'received 0  stored 0  errors 0  0/s  held 45 | out: http://es:9200 cannot be reached: connect ECONNREFUSED',
  )
})

test('events on their way are not worth a word while all is well', () => {
  const { source, monitor } = watch(true)
  holding(source, 'open', true)
  monitor.sample()
  expect(formatStatus(monitor.view)).toBe('received 0  stored 0  errors 0  0/s')
})

test('a reason stays one line without control characters, and a long one is cut', () => {
  const { source, monitor } = watch(true)
  holding(source, `bad\n\u001b[2Jgateway ${'x'.repeat(500)}`, false)
  monitor.sample()
  expect(formatStatus(monitor.view)).toMatch(/ \| out: bad \\x1b\[2Jgateway x+…$/)
  expect(formatStatus(monitor.view).length).toBeLessThan(200)
})

test('the greeting says where it listens, where files lie and where the live page is', () => {
  const { monitor } = watch(true)
  expect(formatGreeting(monitor.view, 'http://127.0.0.1:9600/')).toEqual([
    'listening  127.0.0.1:5044 (beats)',
    'events     data/',
    'live page  http://127.0.0.1:9600/',
  ])
})

test('on a terminal the line is rewritten in place, and the last one stays', () => {
  const { monitor, terminal, log, advance, text } = watch(true)
  const line = new StatusLine({ monitor, terminal, log, page_url: undefined })
  advance(100)
  advance(200)
  line.close()
  const shown = text().replaceAll('\u001b[1G\u001b[2K', '<clear>').split('\n').slice(2)
  expect(shown[0]).toMatch(/^received 100 .*<clear>received 200 .*<clear>received 200 {2}stored 155 .*$/)
  expect(shown).toHaveLength(2)
})

describe('without a terminal', () => {
  test('all is said as log records, and nothing is written beside them', () => {
    const { monitor, terminal, log, records, advance, text } = watch(false)
    const line = new StatusLine({ monitor, terminal, log, page_url: 'http://127.0.0.1:9600/' })
    advance(12_345)
    line.close()
    log.close()
    expect(text()).toBe('')
    expect(records).toMatchObject([
      {
        level: 'info',
        kind: 'started',
        msg: 'started: listening 127.0.0.1:5044 (beats), events data/, live page http://127.0.0.1:9600/',
        listening: '127.0.0.1:5044',
        live_page: 'http://127.0.0.1:9600/',
      },
      {
        kind: 'status',
        msg: 'received 12,345  stored 12,300  errors 3  12,345/s',
        received: 12_345,
        stored: 12_300,
        errors: 3,
        dead_letters: 0,
        dropped: 0,
        held: 0,
        unbalanced: 0,
        received_per_s: 12_345,
      },
      { kind: 'stopped', msg: 'stopped: received 12,345  stored 12,300  errors 3  12,345/s', received: 12_345 },
    ])
  })

  describe('as time goes by', () => {
    beforeEach(() => void vi.useFakeTimers())
    afterEach(() => void vi.useRealTimers())

    const statuses = (records: readonly LogRecord[]): string[] =>
      records.filter(({ kind }) => kind === 'status').map(({ msg }) => msg)

    test('there is a status at once and then at most every ten seconds', () => {
      const { monitor, terminal, log, records, advance } = watch(false)
      const line = new StatusLine({ monitor, terminal, log, page_url: undefined })
      for (let second = 0; second <= 20; second++) {
        advance(100 + second)
        vi.advanceTimersByTime(1000)
      }
      expect(statuses(records).map((text) => text.slice(0, 12))).toEqual(['received 100', 'received 110', 'received 120'])
      line.close()
    })

    test('a rate that fades and a reason that counts down are no news, another state is', () => {
      const { source, clock, monitor, terminal, log, records, advance } = watch(false)
      const line = new StatusLine({ monitor, terminal, log, page_url: undefined })
      const pass = (seconds: number, state: string, is_well: boolean): void => {
        for (let second = 0; second < seconds; second++) {
          holding(source, `${state} ${second} s`, is_well)
          clock.now_ms += 1000
          monitor.sample()
          vi.advanceTimersByTime(1000)
        }
      }
      holding(source, 'open', true)
      advance(100)
      pass(60, 'open', true)
      expect(statuses(records)).toHaveLength(1)
      pass(60, 'connection refused, tried for', false)
      expect(statuses(records)).toHaveLength(2)
      expect(statuses(records)[1]).toContain('held 45 | out: connection refused, tried for 0 s')
      line.close()
    })
  })
})
