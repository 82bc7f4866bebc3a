import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Secret } from '../core/secret.ts'
import { createLog, type LogLevel, type ProgramLog } from './log.ts'
import { Terminal } from './terminal.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

interface Written {
  readonly log: ProgramLog
  readonly records: () => { [name: string]: unknown }[]
}

function jsonLog(level: LogLevel = 'debug'): Written {
  let text = ''
  const log = createLog({
    level,
    terminal: new Terminal(new PassThrough()),
    json_to: { write: (line) => void (text += line) },
  })
  return {
    log,
    records: () =>
      text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as { [name: string]: unknown }),
  }
}

function terminalLog(): { log: ProgramLog; terminal: Terminal; text: () => string } {
  const stream = Object.assign(new PassThrough(), { isTTY: true, columns: 80 })
  let text = ''
  stream.on('data', (piece: Buffer) => {
    text += piece.toString()
  })
  const terminal = new Terminal(stream, { NO_COLOR: '1' })
  return { log: createLog({ level: 'info', terminal }), terminal, text: () => text }
}

test('a line is JSON with time, level, component, kind, message and details', () => {
  const { log, records } = jsonLog()
  log.child('input_beats_1').warn('slow_client', 'a client is slow', { address: '10.0.0.7', waited_ms: 5000 })
  expect(records()).toEqual([
    {
      level: 'warn',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as unknown,
      component: 'input_beats_1',
      kind: 'slow_client',
      address: '10.0.0.7',
      waited_ms: 5000,
      msg: 'a client is slow',
    },
  ])
})

test('calls of one kind within ten seconds become one line with a count and the last message', () => {
  const { log, records } = jsonLog()
  for (let attempt = 1; attempt <= 5; attempt++) log.error('refused', `attempt ${attempt}`)
  expect(records().map(({ msg, count }) => [msg, count])).toEqual([['attempt 1', undefined]])
  vi.advanceTimersByTime(10_000)
  expect(records().map(({ msg, count }) => [msg, count])).toEqual([
    ['attempt 1', undefined],
    ['attempt 5', 4],
  ])
})

test('a kind that goes on keeps to one line an interval, and is printed at once again after a quiet one', () => {
  const { log, records } = jsonLog()
  log.info('tick', '1')
  log.info('tick', '2')
  vi.advanceTimersByTime(10_000)
  log.info('tick', '3')
  expect(records()).toHaveLength(2)
  vi.advanceTimersByTime(10_000)
  expect(records()).toHaveLength(3)
  vi.advanceTimersByTime(10_000)
  log.info('tick', '4')
  expect(records().map(({ msg }) => msg)).toEqual(['1', '2', '3', '4'])
})

test('kinds, levels and components are folded by themselves', () => {
  const { log, records } = jsonLog()
  log.info('a', '')
  log.info('b', '')
  log.warn('a', '')
  log.child('x').info('a', '')
  log.child('y').info('a', '')
  log.child('y').info('a', '')
  expect(records()).toHaveLength(5)
})

test('what is held back is printed at close, and lines after that at once', () => {
  const { log, records } = jsonLog()
  log.info('a', 'first')
  log.info('a', 'held')
  log.close()
  log.info('a', 'late')
  log.info('a', 'later')
  expect(records().map(({ msg }) => msg)).toEqual(['first', 'held', 'late', 'later'])
})

test('lines below the level are not printed', () => {
  const { log, records } = jsonLog('warn')
  log.debug('a', '')
  log.info('a', '')
  log.warn('a', '')
  log.error('a', '')
  expect(records().map(({ level }) => level)).toEqual(['warn', 'error'])
})

test('a secret prints as <password> in both forms', () => {
  // A component that passes the object itself breaks the types, and still gives nothing away.
  const details = { password: new Secret('hunter2') as unknown as string }
  const json = jsonLog()
  json.log.info('a', 'login', details)
  expect(json.records()[0]).toMatchObject({ password: '<password>' })
  const human = terminalLog()
  human.log.info('a', 'login', details)
  expect(human.text()).toContain('login (password=<password>)')
})

test('on a terminal a line is calm text, and control characters from outside are harmless', () => {
  const { log, text } = terminalLog()
  log.child('input_beats_1').error('bad_frame', 'unknown frame\n\u001b[2J', { peer: 'a\nb' })
  log.close()
  expect(text()).toMatch(/^\d\d:\d\d:\d\d ERROR input_beats_1: unknown frame\n {6}\\x1b\[2J \(peer=a\\nb\)\n$/)
})

test('a log line goes above the status line and does not tear it', () => {
  const { log, terminal, text } = terminalLog()
  terminal.setStatus('received 1')
  log.info('start', 'listening')
  terminal.setStatus('')
  const visible = text().replaceAll('\u001b[1G\u001b[2K', '<clear>')
  expect(visible).toMatch(/^received 1<clear>\d\d:\d\d:\d\d INFO {2}listening\nreceived 1<clear>$/)
})

test('a status line that is wider than the terminal is cut, for a wrapped one could not be taken back', () => {
  const { terminal, text } = terminalLog()
  terminal.setStatus('x'.repeat(200))
  expect(text()).toBe(`${'x'.repeat(78)}…`)
})
