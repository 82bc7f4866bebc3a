import { expect, test } from 'vitest'
import { testContext } from '../../test/helpers/context.ts'
import { temporaryFolder } from '../../test/helpers/temporary-folder.ts'
import { Event } from '../core/event.ts'
import { DEFAULT_SETTINGS, type PipelineSettings } from '../core/plan.ts'
import { Timestamp } from '../core/values.ts'
import { DeadLetterBox, entryOfEvent, entryOfRaw, limitsOf } from './dead-letter-box.ts'

const never = new AbortController().signal

function settings(id: string, more: Partial<PipelineSettings>): PipelineSettings {
  return { ...DEFAULT_SETTINGS, id, ...more }
}

test('of several pipelines the largest limit and the longest age hold, and each has its own policy', () => {
  const a = settings('a', { dead_letter_queue_max_bytes: 5_000, dead_letter_queue_retain_age: 1_000 })
  const b = settings('b', { dead_letter_queue_storage_policy: 'drop_newer', dead_letter_queue_retain_age: 9_000 })
  expect(limitsOf([a, b])).toEqual({
    max_bytes: 1024 ** 3,
    retain_age_ms: 9_000,
    policies: new Map([
      ['a', 'block'],
      ['b', 'drop_newer'],
    ]),
  })
  expect(limitsOf([a, settings('c', {})]).retain_age_ms).toBeUndefined()
})

test('a letter keeps the id that another output may have stored its event under, also where that is one of its own', () => {
  const event = Event.from({}, new Timestamp(0))
  const id = event.lastingId()
  expect(entryOfEvent(event, 'out', 'bad').stable_id).toBe(id)
})

test('at the limit the one pipeline loses letters, which are counted and told; the other one waits', async () => {
  await using folder = await temporaryFolder()
  const { metrics, log, lines } = testContext()
  const limits = limitsOf([
    settings('lossy', { dead_letter_queue_max_bytes: 3_000, dead_letter_queue_storage_policy: 'drop_newer' }),
    settings('safe', { dead_letter_queue_max_bytes: 3_000 }),
  ])
  await using box = await DeadLetterBox.open(folder.path, metrics, log, limits)
  const entry = entryOfRaw(Buffer.alloc(400), 'input_beats_1', 'bad', undefined, 400)
  for (let n = 0; n < 10; n++) expect(await box.keep('lossy', [entry], never)).toBe(true)
  const text = await metrics.text()
  const [kept = '', dropped = ''] = ['millrace_dead_letters_total{', 'millrace_dead_letters_dropped_total{why="newer"}'].map(
    (name) =>
      text
        .split('\n')
        .find((line) => line.startsWith(name))
        ?.split(' ')[1],
  )
  expect(Number(kept)).toBeGreaterThan(0)
  expect(Number(dropped)).toBeGreaterThan(0)
  expect(Number(kept) + Number(dropped)).toBe(10)
  expect(text).toContain('millrace_dead_letters_max_bytes 3000')
  expect(text).toMatch(/millrace_dead_letters_oldest_age_seconds [0-9]/)
  expect(lines.filter((line) => line.startsWith('error dead_letters_dropped_newer')).length).toBe(Number(dropped))
  const abandon = new AbortController()
  const waiting = box.keep('safe', [entry], abandon.signal)
  abandon.abort()
  expect(await waiting).toBe(false)
  expect(lines.at(-1)).toContain('Send them again with bin/millrace dlq replay, or raise dead_letter_queue.max_bytes')
})
