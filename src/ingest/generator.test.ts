import { hostname } from 'node:os'
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { type TestContext, testContext } from '../../test/helpers/context.ts'
import { buildInput, Collector, type RunningInput, startInput } from '../../test/helpers/run-input.ts'
import { json } from '../codecs/json.ts'
import { line } from '../codecs/line.ts'
import { plain } from '../codecs/plain.ts'
import { defineInput } from '../core/component.ts'
import { createGenerator, generator } from './generator.ts'

function start(options: { [name: string]: unknown }, context: TestContext = testContext()): RunningInput {
  const collector = new Collector()
  return startInput(buildInput(generator, [json, line, plain], options, collector, context), collector, context)
}

const host = hostname()
const time = { '@version': '1', '@timestamp': '2026-01-02T03:04:05.000Z' }

test('the text is sent as often as asked, numbered, and the input ends', async () => {
  const { ended, collector } = start({ count: 2 })
  await ended
  expect(collector.documents).toEqual([
    { message: 'Hello world!', ...time, host, sequence: 0 },
    { message: 'Hello world!', ...time, host, sequence: 1 },
  ])
})

test('lines in their order, one number for each round; with ECS in other fields', async () => {
  const { ended, collector } = start({ lines: ['a', 'b'], count: 2 }, testContext({ ecs_compatibility: 'v8' }))
  await ended
  expect(collector.documents).toMatchObject([
    { message: 'a', host: { name: host }, event: { original: 'a', sequence: 0 } },
    { message: 'b', event: { sequence: 0 } },
    { message: 'a', event: { sequence: 1 } },
    { message: 'b', event: { sequence: 1 } },
  ])
})

test.each(['json', 'line'])('with codec %s each text is a whole message; a host in it stays', async (codec) => {
  const { ended, collector } = start({ lines: ['{"host":"h"}', '{"a":1}'], count: 1, codec })
  await ended
  const expected = codec === 'json' ? [{ host: 'h' }, { a: 1, host }] : [{ message: '{"host":"h"}' }, { message: '{"a":1}' }]
  expect(collector.documents).toMatchObject(expected)
})

test('each thread sends everything', async () => {
  const { ended, collector } = start({ count: 3, threads: 2 })
  await ended
  expect(collector.documents.map(({ sequence }) => Number(sequence)).sort((a, b) => a - b)).toEqual([0, 0, 1, 1, 2, 2])
})

test('without a count it goes on until it is told to stop', async () => {
  const input = start({ threads: 2 })
  const { collector } = input
  await collector.until(() => collector.batches.length > 4)
  await input.stop()
  expect(Math.max(...collector.batches.map(({ events }) => events.length))).toBeLessThanOrEqual(500)
})

test('message stdin takes one line of the standard input', async () => {
  const context = testContext()
  const collector = new Collector()
  const overStream = defineInput({
    ...generator,
    create: (options, inputContext) => createGenerator(options, inputContext, Readable.from(['first\nsecond\n'])),
  })
  const source = buildInput(overStream, [plain], { message: 'stdin', count: 2 }, collector, context)
  await startInput(source, collector, context).ended
  expect(collector.documents.map(({ message }) => message)).toEqual(['first', 'first'])
})

test('no lines at all are refused', () => {
  expect(() => start({ lines: [] })).toThrow('lines: expected at least one text')
})
