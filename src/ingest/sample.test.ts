import { expect, test } from 'vitest'
import { testContext } from '../../test/helpers/context.ts'
import { buildInput, Collector, startInput } from '../../test/helpers/run-input.ts'
import { plain } from '../codecs/plain.ts'
import { sample } from './sample.ts'

test('the input hands on all lines as Filebeat would, and ends', async () => {
  const collector = new Collector()
  const context = testContext()
  await using input = startInput(buildInput(sample, [plain], { count: 5_000, rate: 0 }, collector, context), collector, context)
  await input.ended
  expect(collector.events.length).toBe(5_000)
  const { message, fields } = collector.documents[0] as { message: string; fields: unknown }
  const line = JSON.parse(message) as { service: string; env: string }
  expect(fields).toEqual({ service: line.service, env: line.env })
})

test('it stops when it is told to', async () => {
  const collector = new Collector()
  const context = testContext()
  await using input = startInput(buildInput(sample, [plain], { rate: 200 }, collector, context), collector, context)
  await collector.until(() => collector.events.length > 0)
  await input.stop()
  expect(collector.events.length).toBeLessThan(1_000)
})

test('an incident is in the lines', async () => {
  const collector = new Collector()
  const context = testContext()
  const options = { count: 2_000, rate: 0, incident: 'error-burst' }
  await using input = startInput(buildInput(sample, [plain], options, collector, context), collector, context)
  await input.ended
  const failed = collector.documents.filter(({ message }) => /"status":50\d/.test(String(message)))
  expect(failed.length).toBeGreaterThan(200)
})
