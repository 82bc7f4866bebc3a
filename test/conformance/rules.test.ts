import { expect, test } from 'vitest'
import { DeadLetterBox } from '../../src/runtime/dead-letter-box.ts'
import { testContext } from '../helpers/context.ts'
import { temporaryFolder } from '../helpers/temporary-folder.ts'
import type { Case } from './cases.ts'
import type { Verdict } from './rules.ts'
import { runCase } from './run-cases.ts'

const STOPPED = { outcome: 'pipeline stopped by an exception', error: 'boom', output: [] }
const REFUSED = { outcome: 'config rejected / plugin failed to start', output: [] }

async function verdictOf(filter: string, recorded: Partial<Omit<Case, 'input'>>, ...input: string[]): Promise<Verdict> {
  await using folder = await temporaryFolder()
  const context = testContext()
  await using deadLetters = await DeadLetterBox.open(folder.path, context.metrics, context.log)
  const whole: Case = {
    name: 'rule',
    ecs_compatibility: 'disabled',
    config: `input { stdin { codec => json_lines } }\nfilter {\n${filter}\n}\noutput { stdout { codec => json_lines } }\n`,
    input: input.map((line) => Buffer.from(line.replace('{', '{"@timestamp":"2024-01-02T03:04:05.000Z",'))),
    output: [],
    outcome: undefined,
    error: undefined,
    volatile: [],
    ...recorded,
  }
  return await runCase(whole, '', deadLetters)
}

const document = (members: string): string => `{"@timestamp":"2024-01-02T03:04:05.000Z","@version":"1",${members}}`
const passed = (...classes: string[]): object => ({ kind: 'passed', classes })
const FAILED = { kind: 'failed' }

test('a: the event that stopped Logstash comes out with a tag', async () => {
  const date = 'date { match => ["ts", "TAI64N"] }'
  expect(await verdictOf(date, STOPPED, '{"ts":"bad"}')).toEqual(passed('a'))
  expect(await verdictOf(date, STOPPED, '{"x":1}')).toMatchObject(FAILED)
  expect(await verdictOf('drop {}', STOPPED, '{"ts":"bad"}')).toMatchObject(FAILED)
})

test('b: what Logstash dropped is what strict_conditions dead-letters', async () => {
  const filter = 'if [a] > 1 { mutate { add_tag => ["T"] } }'
  const kept = document('"a":2,"tags":["T"]')
  expect(await verdictOf(filter, { output: [kept] }, '{"a":2}', '{"b":1}')).toEqual(passed('b'))
  expect(await verdictOf(filter, { output: [] }, '{"a":2}', '{"b":1}')).toMatchObject(FAILED)
  expect(await verdictOf(filter, { output: [] }, '{"a":1}')).toMatchObject(FAILED)
})

test('c and d: with the difference undone the output is that of Logstash', async () => {
  const list = 'if [a] in ["x"] { mutate { add_tag => ["T"] } } else { mutate { add_tag => ["F"] } }'
  expect(await verdictOf(list, { output: [document('"a":"x","tags":["F"]')] }, '{"a":"x"}')).toEqual(passed('c'))
  expect(await verdictOf(list, { output: [document('"a":"y","tags":["T"]')] }, '{"a":"y"}')).toMatchObject(FAILED)
  const hash = 'mutate { add_field => { "b" => "1" "a" => "%{b}" } }'
  expect(await verdictOf(hash, { output: [document('"z":1,"b":"1","a":"%{b}"')] }, '{"z":1}')).toEqual(passed('d'))
  expect(await verdictOf(hash, { output: [document('"z":1,"b":"1","a":"2"')] }, '{"z":1}')).toMatchObject(FAILED)
})

test('h: plugins of Ruby code are refused by name', async () => {
  expect(await verdictOf('ruby { code => "1" }', { output: [document('"z":1')] }, '{"z":1}')).toEqual(passed('h'))
  expect(await verdictOf('mutte { }', { output: [document('"z":1')] }, '{"z":1}')).toMatchObject(FAILED)
})

test('what Logstash refused has to be refused, at its place', async () => {
  const at = (column: number) => ({ ...REFUSED, error: `Expected one of … at line 3, column ${column} (byte 40) after` })
  expect(await verdictOf('mutate { nosuch => 1 }', { ...REFUSED, error: 'x' }, '{"z":1}')).toEqual(passed())
  expect(await verdictOf('mutate { }', { ...REFUSED, error: 'x' }, '{"z":1}')).toMatchObject(FAILED)
  expect(await verdictOf('if [a] = 1 { }', at(8), '{"z":1}')).toEqual(passed())
  expect(await verdictOf('if [a] = 1 { }', at(5), '{"z":1}')).toMatchObject(FAILED)
})
