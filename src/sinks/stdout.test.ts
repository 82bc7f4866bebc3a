import { PassThrough, Writable } from 'node:stream'
import { expect, test } from 'vitest'
import { buildOutput, eventOf } from '../../test/helpers/build-output.ts'
import { testContext } from '../../test/helpers/context.ts'
import { jsonLines } from '../codecs/json-lines.ts'
import { plain } from '../codecs/plain.ts'
import { nullOutput } from './null.ts'
import { createStreamSink } from './stdout.ts'

const encoder = { encode: (): string => 'line\n' }
const events = [eventOf('{"n":1}'), eventOf('{"n":2}')]
const signal = new AbortController().signal

test('events are written and stored once the stream has taken them', async () => {
  const stream = new PassThrough()
  const sink = createStreamSink(stream, encoder, testContext())
  await sink.open(signal)
  expect((await sink.write(events, signal)).outcomes).toEqual([{ kind: 'stored' }, { kind: 'stored' }])
  expect(String(stream.read())).toBe('line\nline\n')
  await sink.close()
})

test('a reader that has ended is no failure: one warning, later events are dropped and counted', async () => {
  const stream = new Writable({
    write: (_chunk, _encoding, done) => done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })),
  })
  const context = testContext()
  const sink = createStreamSink(stream, encoder, context)
  await sink.open(signal)
  const dropped = { kind: 'drop', reason: 'stdout_closed' }
  expect((await sink.write(events, signal)).outcomes).toEqual([dropped, dropped])
  expect((await sink.write(events, signal)).outcomes).toEqual([dropped, dropped])
  expect(context.lines).toEqual([
    'warn stdout-closed: test:1:1: the standard output is closed (its reader has ended): further events for it are dropped',
  ])
})

test('a reader that does not read holds the writer until it is told to leave', async () => {
  const stream = new Writable({ write: () => {} })
  const sink = createStreamSink(stream, encoder, testContext())
  await sink.open(signal)
  const leave = new AbortController()
  const writing = sink.write(events, leave.signal)
  leave.abort(new Error('leaving'))
  await expect(writing).rejects.toThrow('leaving')
})

test('null stores everything', async () => {
  const sink = buildOutput(nullOutput, [plain, jsonLines], {})
  await sink.open(signal)
  expect((await sink.write(events, signal)).outcomes).toEqual([{ kind: 'stored' }, { kind: 'stored' }])
  await sink.close()
})
