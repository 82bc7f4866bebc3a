import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../../test/helpers/temporary-folder.ts'
import { SegmentLog } from './segment-log.ts'
import { readWaitingLetters, type WaitingLetter } from './stored-letter.ts'

async function read(folder: string): Promise<{ letters: WaitingLetter[]; damage: string[] }> {
  const letters: WaitingLetter[] = []
  const damage: string[] = []
  for await (const letter of readWaitingLetters(folder, (_path, _bytes, why) => damage.push(why))) letters.push(letter)
  return { letters, damage }
}

const TIME = '2026-01-02T03:04:05.000Z'

test('whatever a record holds, it is a letter or is told of, and those behind it are read', async () => {
  const parts = fc.record(
    {
      time: fc.oneof(fc.constant(TIME), fc.jsonValue()),
      pipeline: fc.jsonValue(),
      component: fc.oneof(fc.string(), fc.jsonValue()),
      plugin_type: fc.jsonValue(),
      reason: fc.oneof(fc.string(), fc.jsonValue()),
      replays: fc.jsonValue(),
      size_bytes: fc.jsonValue(),
      document: fc.jsonValue(),
      metadata: fc.jsonValue(),
      raw_base64: fc.oneof(fc.base64String(), fc.jsonValue()),
    },
    { requiredKeys: ['time'] },
  )
  const payload = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    parts.map((value) => Buffer.from(JSON.stringify(value))),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(payload, { maxLength: 20 }), async (payloads) => {
      await using folder = await temporaryFolder()
      const good = Buffer.from(JSON.stringify({ time: TIME, pipeline: 'main', component: 'last', reason: 'x', document: {} }))
      {
        await using log = await SegmentLog.open(folder.path)
        await log.append([...payloads, good])
      }
      const { letters, damage } = await read(folder.path)
      expect(letters.length + damage.length).toBe(payloads.length + 1)
      expect(letters.at(-1)?.letter.plugin_id).toBe('last')
      for (const one of letters) expect(JSON.parse(one.line())).toMatchObject({ time: expect.anything() })
    }),
    { numRuns: 40 },
  )
})

test.each([
  [{ raw_base64: 'YQ==', component: 'input_beats_1' }, 'input', 'input_beats_1', 'beats'],
  [{ document: {}, component: 'filter_grok_2' }, 'filter', 'filter_grok_2', 'grok'],
  [{ document: {}, component: 'outputs' }, 'output', 'outputs', 'outputs'],
  [{ document: {}, component: 'output_file_1 (a.conf:3:5)' }, 'output', 'output_file_1', 'file'],
  [{ document: {}, component: 'mine (C:\\a (1).conf:3:5)', plugin_type: 'http' }, 'output', 'mine', 'http'],
])('%j ended at the %s', async (parts, failed_at, plugin_id, plugin_type) => {
  await using folder = await temporaryFolder()
  {
    await using log = await SegmentLog.open(folder.path)
    await log.append([Buffer.from(JSON.stringify({ time: TIME, pipeline: 'main', reason: 'x', ...parts }))])
  }
  const [letter] = (await read(folder.path)).letters
  expect(letter?.letter).toMatchObject({ failed_at, plugin_id, plugin_type })
})
