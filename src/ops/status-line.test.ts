import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { testStatus, withTotals } from '../../test/helpers/status.ts'
import { MetricsRegistry } from '../telemetry/metrics.ts'
import { Terminal } from '../telemetry/terminal.ts'
import { StatusMonitor } from './monitor.ts'
import { formatGreeting, formatStatus, StatusLine } from './status-line.ts'

function watch(is_tty: boolean) {
  const source = testStatus()
  const clock = { now_ms: 0 }
  const stop = new AbortController()
  stop.abort()
  const monitor = new StatusMonitor(source, new MetricsRegistry(), stop.signal, () => clock.now_ms)
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
  return { source, monitor, terminal: new Terminal(stream, {}), advance, text: () => text }
}

test('the line tells received, stored, errors and rate', () => {
  const { monitor, advance } = watch(true)
  advance(12_345)
  expect(formatStatus(monitor.view)).toBe('received 12,345  stored 12,300  errors 3  12,345/s')
})

test('dead letters and books that do not balance are told as well', () => {
  const { source, monitor } = watch(true)
  const { totals } = source.current
  source.current = { ...source.current, totals: { ...totals, unbalanced: -2, states: { ...totals.states, dead_lettered: 7 } } }
  monitor.sample()
  expect(formatStatus(monitor.view)).toBe('received 0  stored 0  errors 0  0/s  dead letters 7  UNBALANCED -2')
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
  const { monitor, terminal, advance, text } = watch(true)
  const line = new StatusLine({ monitor, terminal, page_url: undefined })
  advance(100)
  advance(200)
  line.close()
  const shown = text().replaceAll('\u001b[1G\u001b[2K', '<clear>').split('\n').slice(2)
  expect(shown[0]).toMatch(/^received 100 .*<clear>received 200 .*<clear>received 200 {2}stored 155 .*$/)
  expect(shown).toHaveLength(2)
})

test('elsewhere a line is printed at once and then only now and then', () => {
  const { monitor, terminal, advance, text } = watch(false)
  const line = new StatusLine({ monitor, terminal, page_url: undefined })
  for (let received = 100; received <= 500; received += 100) advance(received)
  expect(text().match(/^received/gm)).toHaveLength(1)
  line.close()
  expect(text()).toMatch(/\nreceived 500 .*\n$/)
})
