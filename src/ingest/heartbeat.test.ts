import { hostname } from 'node:os'
import { expect, test } from 'vitest'
import { type TestContext, testContext } from '../../test/helpers/context.ts'
import { buildInput, Collector, type RunningInput, startInput } from '../../test/helpers/run-input.ts'
import { plain } from '../codecs/plain.ts'
import { heartbeat } from './heartbeat.ts'

function start(options: { [name: string]: unknown }, context: TestContext = testContext()): RunningInput {
  const collector = new Collector()
  return startInput(buildInput(heartbeat, [plain], options, collector, context), collector, context)
}

const host = hostname()
const time = { '@version': '1', '@timestamp': '2026-01-02T03:04:05.000Z' }
const SECONDS = Date.UTC(2026, 0, 2, 3, 4, 5) / 1_000

test.each([
  ['disabled', {}, { host, message: 'ok' }],
  ['disabled', { message: 'here', sequence: 'sequence' }, { host, message: 'here', clock: 1 }],
  ['disabled', { sequence: 'epoch' }, { host, message: 'ok', clock: SECONDS }],
  ['disabled', { message: 'epoch' }, { host, clock: SECONDS }],
  ['disabled', { message: 'sequence' }, { host, clock: 1 }],
  ['disabled', { message: 'sequence', sequence: 'none' }, { host, message: 'sequence' }],
  ['v8', {}, { host: { name: host }, message: 'ok' }],
  ['v8', { sequence: 'sequence' }, { host: { name: host }, message: 'ok', event: { sequence: 1 } }],
  ['v8', { message: 'epoch' }, { host: { name: host }, message: 'epoch' }],
] as const)('ecs %s, %j', async (ecs_compatibility, options, expected) => {
  const { ended, collector } = start({ ...options, count: 1 }, testContext({ ecs_compatibility }))
  await ended
  expect(collector.documents).toEqual([{ ...expected, ...time }])
})

test('it counts up, and each thread for itself', async () => {
  const { ended, collector } = start({ sequence: 'sequence', interval: 0.001, count: 3, threads: 2 })
  await ended
  expect(collector.documents.map(({ clock }) => Number(clock)).sort((a, b) => a - b)).toEqual([1, 1, 2, 2, 3, 3])
})

test('told to stop it does not wait for the next beat', async () => {
  const input = start({ interval: 3_600 })
  await input.collector.until(() => input.collector.events.length === 1)
  await input.stop()
  expect(input.collector.events.length).toBe(1)
})

test('the old form of sequence is warned of', () => {
  const context = testContext()
  buildInput(heartbeat, [plain], { message: 'epoch' }, new Collector(), context)
  expect(context.lines[0]).toContain('please write sequence => "epoch"')
})
