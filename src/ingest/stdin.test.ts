import { hostname } from 'node:os'
import { PassThrough, Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { type TestContext, testContext } from '../../test/helpers/context.ts'
import { buildInput, Collector, startInput } from '../../test/helpers/run-input.ts'
import { json } from '../codecs/json.ts'
import { jsonLines } from '../codecs/json-lines.ts'
import { line } from '../codecs/line.ts'
import { plain } from '../codecs/plain.ts'
import { defineInput } from '../core/component.ts'
import { createStreamSource, stdin } from './stdin.ts'

/** The input as it is, over a stream of the test instead of the process's own. */
function start(
  stream: Readable,
  options: { [name: string]: unknown },
  context: TestContext = testContext(),
  max_event_bytes?: number,
) {
  const collector = new Collector()
  const overStream = defineInput({ ...stdin, create: (_options, inputContext) => createStreamSource(stream, inputContext) })
  const source = buildInput(overStream, [json, jsonLines, line, plain], options, collector, context, max_event_bytes)
  return { collector, input: startInput(source, collector, context) }
}

const host = hostname()

test.each(['line', 'plain'])('with codec %s every line is an event, the last one without a newline too', async (codec) => {
  const { collector, input } = start(Readable.from([Buffer.from('a\nb'), Buffer.from('c\nla'), Buffer.from('st')]), { codec })
  await input.ended
  expect(collector.documents).toMatchObject([
    { message: 'a', host },
    { message: 'bc', host },
    { message: 'last', host },
  ])
})

test.each(['json', 'json_lines'])('with codec %s every line is a document', async (codec) => {
  const { collector, input } = start(Readable.from([Buffer.from('{"a":1}\n{"a":'), Buffer.from('2}')]), { codec })
  await input.ended
  expect(collector.documents).toMatchObject([{ a: 1 }, { a: 2 }])
})

test('with ECS the host has its place, and a host that came in the data stays', async () => {
  const stream = Readable.from([Buffer.from('{"a":1}\n{"host":{"name":"x"}}\n{"host":"y"}')])
  const { collector, input } = start(stream, { codec: 'json_lines' }, testContext({ ecs_compatibility: 'v8' }))
  await input.ended
  expect(collector.documents).toMatchObject([
    { host: { hostname: host } },
    { host: { name: 'x', hostname: host } },
    { host: 'y' },
  ])
})

test('a line over the limit goes to the dead letters, the others go on', async () => {
  const stream = Readable.from([Buffer.from(`a\n${'x'.repeat(100)}\nb\n`)])
  const { collector, input } = start(stream, { codec: 'plain' }, testContext(), 50)
  await input.ended
  expect(collector.documents).toMatchObject([{ message: 'a' }, { message: 'b' }])
  expect(collector.deadLetters).toMatchObject([{ reason: 'too_large' }])
})

test('told to stop it ends, with what it has read', async () => {
  const stream = new PassThrough()
  const { collector, input } = start(stream, {})
  stream.write('a\nunfinished')
  await collector.until(() => collector.events.length === 1)
  await input.stop()
  expect(collector.documents).toMatchObject([{ message: 'a' }, { message: 'unfinished' }])
})
