import { readFileSync } from 'node:fs'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { testContext } from '../../../test/helpers/context.ts'
import { encodeWindow } from '../../../test/helpers/lumberjack-client.ts'
import { startBeats } from '../../../test/helpers/start-beats.ts'
import { parseFieldRef } from '../../core/field-ref.ts'
import type { EcsCompatibility } from '../../core/plan.ts'

interface Case {
  readonly name: string
  readonly ecs_compatibility: EcsCompatibility
  readonly input: readonly string[]
  readonly output: readonly string[]
}

interface Made {
  readonly [name: string]: unknown
  readonly tags?: string[]
}

/** What the input makes of these frames, sent in one window, with the metadata under `md` as text. */
async function made(
  frames: readonly (string | object)[],
  options: { readonly [name: string]: unknown } = {},
  ecs_compatibility: EcsCompatibility = 'disabled',
): Promise<(Made & { md: unknown })[]> {
  await using input = await startBeats({ options, context: testContext({ ecs_compatibility }) })
  await using client = await input.connect()
  await client.send(encodeWindow(frames))
  await client.until(() => client.answers.length === 1)
  expect(client.answers).toEqual([frames.length])
  return input.collector.events.map((event) => ({
    ...(JSON.parse(event.toJsonText()) as Made),
    md: JSON.parse(JSON.stringify(event.metadata)) as unknown,
  }))
}

describe('as the real Logstash made it', () => {
  const cases = readFileSync(new URL('../../../test/conformance/beats-input.jsonl', import.meta.url), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Case)
  test.each(cases)('$name', async ({ name, ecs_compatibility, input, output }) => {
    const codec = name.startsWith('beats/json') ? 'json' : 'plain'
    const common = { type: 'bt', tags: ['it'], add_field: { af: '1' } }
    const events = await made(input, { codec, ...common }, ecs_compatibility)
    const expected = output.map((line) => {
      const document = JSON.parse(line) as { [name: string]: unknown }
      return {
        ...document,
        md: JSON.parse(String(document['md'])) as unknown,
        '@timestamp': document['@timestamp'] === '<now>' ? '2026-01-02T03:04:05.000Z' : document['@timestamp'],
      }
    })
    expect(events).toEqual(expected)
  })
})

describe('enrich', () => {
  test('none leaves the event as it came', async () => {
    const [event] = await made([{ message: 'm' }], { enrich: 'none' })
    expect(event).toEqual({ message: 'm', '@version': '1', '@timestamp': '2026-01-02T03:04:05.000Z', md: {} })
  })

  test('takes each kind alone', async () => {
    const [source] = await made([{ message: 'm' }], { enrich: ['source_metadata'] })
    expect(source).toMatchObject({ md: { ip_address: '127.0.0.1' } })
    expect(source).not.toHaveProperty('tags')
    const [codec] = await made([{ message: 'm' }], { enrich: ['codec_metadata'] })
    expect(codec).toMatchObject({ tags: ['beats_input_codec_plain_applied'], md: {} })
  })

  test('without codec tag, by the old option, with a warning', async () => {
    const context = testContext()
    await using input = await startBeats({ context, options: { include_codec_tag: false } })
    expect(input.context.lines).toContainEqual(expect.stringContaining('beats.include_codec_tag is an old option'))
    const [event] = await made([{ a: 1 }], { include_codec_tag: false })
    expect(event).not.toHaveProperty('tags')
  })

  test('refuses what it does not know', async () => {
    await expect(startBeats({ options: { enrich: ['everything'] } })).rejects.toThrow('enrich takes source_metadata')
    await expect(startBeats({ options: { enrich: ['all', 'none'] } })).rejects.toThrow('got all, none')
  })
})

test('add_hostname copies the name of a Beat 6', async () => {
  const [first, second] = await made([{ beat: { hostname: 'h' } }, { beat: { hostname: 'h' }, host: 'own' }], {
    add_hostname: true,
  })
  expect([first?.['host'], second?.['host']]).toEqual(['h', 'own'])
})

test('a list in the message gives an event each with codec json, all with the fields of the frame', async () => {
  const events = await made([{ message: '[{"a":1,"host":"x"},{"a":2}]', host: { name: 'web1' }, tags: ['t'] }], { codec: 'json' })
  expect(events.map(({ a, host, tags }) => ({ a, host, tags }))).toEqual([
    { a: 1, host: { name: 'web1' }, tags: ['t', 'beats_input_codec_json_applied'] },
    { a: 2, host: { name: 'web1' }, tags: ['t', 'beats_input_codec_json_applied'] },
  ])
})

test('a message in which the codec finds nothing does not make its event disappear', async () => {
  expect(await made([{ message: ' ', a: 1 }], { codec: 'json' })).toMatchObject([
    { message: ' ', a: 1, tags: ['beats_input_raw_event'] },
  ])
})

test('a message that is a number becomes text, one that is a map stays', async () => {
  expect(await made([{ message: 5 }, { message: { a: 1 } }, { message: null, a: 1 }])).toMatchObject([
    { message: '5', tags: ['beats_input_codec_plain_applied'] },
    { message: { a: 1 }, tags: ['beats_input_raw_event'] },
    { message: null, a: 1, tags: ['beats_input_raw_event'] },
  ])
})

test('numbers keep their text', async () => {
  await using input = await startBeats({ options: { codec: 'json' } })
  await using client = await input.connect()
  await client.send(encodeWindow(['{"order_id":12345678901234567890,"price":0.10,"message":"{\\"id\\":98765432109876543210}"}']))
  await client.until(() => client.answers.length === 1)
  expect(input.collector.events[0]?.toJsonText()).toContain('"order_id":12345678901234567890,"price":0.10,')
  expect(input.collector.events[0]?.toJsonText()).toContain('"id":98765432109876543210')
})

test.each([
  ['plain', 'disabled'],
  ['plain', 'v8'],
  ['json', 'disabled'],
] as const)('a frame becomes the same event as text and parsed, with codec %s and ECS %s', async (codec, ecs) => {
  const text = fc.oneof(
    fc.string(),
    fc.constantFrom('', 'é', '{"a":1,"message":"q"}', '[{"a":1},{"tags":"x"}]', '2024-05-01T08:00:00.123Z'),
  )
  const map = fc.dictionary(
    fc.constantFrom('name', 'beat', 'input', '1', '__proto__'),
    fc.oneof(text, fc.nat(), fc.constant({ a: 1 })),
  )
  const value = fc.oneof({ weight: 3, arbitrary: text }, map, fc.nat(), fc.constantFrom<unknown>(null, [], ['t'], ['t', 1], true))
  const members = fc.dictionary(
    fc.constantFrom(
      '@timestamp',
      '@metadata',
      '@version',
      'tags',
      '_tags',
      '_@timestamp',
      'message',
      'line',
      'host',
      'agent',
      'a',
      'event',
    ),
    value,
    { minKeys: 1 },
  )
  const frames = fc.sample(members, { numRuns: 500, seed: 11 }).map((frame) => JSON.stringify(frame))
  // Not in one line: such a frame is parsed as a whole.
  const pairs = frames.flatMap((frame) => [frame, `{\n${frame.slice(1)}`])
  await using input = await startBeats({ options: { codec, type: 't' }, context: testContext({ ecs_compatibility: ecs }) })
  await using client = await input.connect()
  // Each is in a batch of its own: a codec may find several events in one.
  for (const pair of pairs) {
    const done = client.answers.length
    await client.send(encodeWindow([pair]))
    await client.until(() => client.answers.length > done)
  }
  const shown = input.collector.batches.map(({ events }) =>
    events.map((event) => {
      const shows = [JSON.parse(event.toJsonText()), JSON.parse(JSON.stringify(event.metadata))] as unknown[]
      // The metadata of the next event must not know of it.
      event.set(parseFieldRef('[@metadata][beat]'), 'changed')
      return shows
    }),
  )
  expect(shown).toHaveLength(pairs.length)
  for (const [n, frame] of frames.entries()) expect(shown[2 * n], frame).toEqual(shown[2 * n + 1])
})

test('metadata is set also where the sender put a scalar in its way', async () => {
  const [event] = await made([{ '@metadata': { input: 'x', beat: 'b' } }], {}, 'v8')
  expect(event?.md).toEqual({ beat: 'b', input: { beats: { host: { ip: '127.0.0.1' } } } })
})

test('an event that add_field can not be applied to goes to the dead letters', async () => {
  await using input = await startBeats({ options: { add_field: { '[a][b]': 'x' } } })
  await using client = await input.connect()
  await client.send(encodeWindow([{ a: 1 }, { c: 1 }]))
  await client.until(() => client.answers.length === 1)
  expect(input.collector.events).toHaveLength(1)
  expect(input.collector.deadLetters).toMatchObject([{ reason: 'event could not be made of the frame' }])
})

test('the multiline codec is refused', async () => {
  const { buildInput, Collector } = await import('../../../test/helpers/run-input.ts')
  const { beats } = await import('./beats.ts')
  const { plain } = await import('../../codecs/plain.ts')
  const build = (): unknown =>
    buildInput(beats, [{ ...plain, name: 'multiline' }], { port: 0, codec: 'multiline' }, new Collector())
  expect(build).toThrow('the multiline codec can not be used with beats')
})
