import { expect, test } from 'vitest'
import { testContext } from '../../../test/helpers/context.ts'
import { buildInput, Collector, type RunningInput, startInput } from '../../../test/helpers/run-input.ts'
import { waitFor } from '../../../test/helpers/wait-for.ts'
import { json } from '../../codecs/json.ts'
import { plain } from '../../codecs/plain.ts'
import { http } from './http.ts'

interface Running extends RunningInput {
  readonly url: string
}

async function start(...required_fields: readonly string[]): Promise<Running> {
  const [collector, context] = [new Collector(), testContext()]
  const source = buildInput(http, [json, plain], { host: '127.0.0.1', port: 0, required_fields }, collector, context)
  const input = startInput(source, collector, context)
  return { ...input, url: `http://${await waitFor('listening', () => context.address())}` }
}

async function post({ url }: Running, body: string): Promise<{ status: number; text: string }> {
  const response = await fetch(url, { method: 'POST', body, headers: { 'content-type': 'application/json' } })
  return { status: response.status, text: await response.text() }
}

test.each([
  ['{"alerts":[]}', undefined],
  ['{"alerts":[{"labels":{"a":1}},{"labels":{"a":2}}]}', undefined],
  ['{"alerts":[{"labels":{"a":1}},{"labels":{}}]}', '[alerts][1][labels][a]'],
  ['{"alerts":[3,null,{"labels":"a"},[{"a":1}]]}', [0, 1, 2, 3].map((index) => `[alerts][${index}][labels][a]`).join(', ')],
  [`{"alerts":[${Array(1_000).fill('{"labels":{}}').join()}]}`, '[alerts][9][labels][a] and more'],
  ['{"alerts":{"*":{"labels":{"a":1}}}}', 'a list at alerts'],
  ['{"alerts":"text"}', 'a list at alerts'],
  ['{"alerts":null}', 'a list at alerts'],
  ['{}', 'a list at alerts'],
])('a field required of each element of a list: %s lacks %s', async (body, missing) => {
  await using input = await start('[alerts][*][labels][a]')
  const { status, text } = await post(input, body)
  expect(status).toBe(missing === undefined ? 200 : 400)
  expect(text.endsWith(missing ?? 'ok'), text).toBe(true)
  expect(input.collector.events).toHaveLength(missing === undefined ? 1 : 0)
})

test.each([
  ['{"a":{"b":[{"c":[{"d":1},{"d":2}]},{"c":[]}]},"@metadata":{"e":["x"]},"*":0}', undefined],
  [
    '{"a":{"b":[{"c":[{"d":1},{}]},{"c":[{"d":null}]}]},"@metadata":{"e":["x",null]},"*":0}',
    '[a][b][0][c][1][d], [a][b][1][c][0][d], [@metadata][e][1]',
  ],
  ['{"a":{"b":[{"c":1}]},"@metadata":{"e":"x"}}', 'a list at [a][b][0][c], a list at [@metadata][e], *'],
  ['{"a":[]}', 'a list at [a][b], a list at [@metadata][e], *'],
])('a field required at every end of a path with several lists: %s lacks %s', async (body, missing) => {
  await using input = await start('[a][b][*][c][*]', '[a][b][*][c][*][d]', '[@metadata][e][*]', '*')
  const { text } = await post(input, body)
  expect(text.replace('event 1 of the body lacks ', '')).toBe(missing ?? 'ok')
})

test.each([
  ['{"alerts":[{"labels":{}},{}]}', 200],
  ['{"alerts":[{"status":"firing"}]}', 400],
  ['{"alerts":[]}', 400],
  ['[]', 400],
  ['', 400],
  ['{"alerts":"text"}', 400],
  ['{"alerts":{"0":{"labels":{}}}}', 200],
])('a required field in a list: %s gets %i', async (body, status) => {
  await using input = await start('[alerts][0][labels]')
  expect((await post(input, body)).status).toBe(status)
})
