import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { ConfigError } from '../../core/errors.ts'
import { readPipelineJson } from './read-pipeline.ts'

const ENDS = '"inputs": [{ "stdin": {} }], "outputs": [{ "stdout": {} }]'

function faults(text: string, variables = {}): string[] {
  try {
    readPipelineJson(text, 'p.json', variables)
  } catch (thrown) {
    if (thrown instanceof ConfigError) return thrown.message.split('\n').filter((line) => !line.startsWith('    '))
    throw thrown
  }
  return []
}

test('comments and trailing commas are fine', () => {
  const plan = readPipelineJson(`// a comment\n{ ${ENDS}, /* more */ "filters": [{ "drop": {}, },], }`, 'p.json', {})
  expect(plan.filters).toMatchObject([{ kind: 'component', name: 'drop', at: { file: 'p.json', line: 2 } }])
})

test('every fault is told at once, each with its place', () => {
  const text = `{
  "pipline": {},
  "pipeline": { "batch_size": "many", "batch_delay": 5 },
  "inputs": [{ "stdin": {}, "file": {} }],
  "filters": [{ "if": "[a] = 1", "than": [] }, { "mutate": [] }],
  "outputs": [{ "stdout": { "codec": "\${NOT_SET}" } }]
}`
  expect(faults(text)).toEqual([
    'p.json:1:1: expected at least one enabled input [CONFIG_STRUCTURE]',
    'p.json:2:3: unknown key "pipline" of a pipeline [CONFIG_STRUCTURE]',
    'p.json:3:31: pipeline.batch_size: expected a whole number from 1 to 100000, got "many" [CONFIG_INVALID_OPTION]',
    "p.json:3:39: Unknown setting 'batch_delay' for pipeline [CONFIG_UNKNOWN_OPTION]",
    'p.json:4:14: expected an object with one key, the name of a component, got the keys stdin, file [CONFIG_STRUCTURE]',
    'p.json:5:15: expected "then" beside "if": what to do with events that fit [CONFIG_STRUCTURE]',
    'p.json:5:28: expected and, or, xor, nand or the end of the condition, found "=" [CONFIG_INVALID_CONDITION]',
    'p.json:5:34: unknown key "than" of an if [CONFIG_STRUCTURE]',
    'p.json:5:60: expected the options of mutate as an object [CONFIG_STRUCTURE]',
    'p.json:6:38: Cannot evaluate `${NOT_SET}`: no environment variable NOT_SET and no default [CONFIG_UNRESOLVED_VARIABLE]',
  ])
})

test('a syntax error names its place', () => {
  expect(faults('{\n  "inputs": [\n    { "stdin" {} }\n  ]\n}')[0]).toMatch(/^p\.json:3:15: not JSON: colon expected/)
})

test('a key that comes twice is refused, for JSON would drop the first one silently', () => {
  expect(faults(`{ ${ENDS}, "filters": [], "filters": [] }`)).toEqual([
    expect.stringContaining('the key "filters" comes twice in one object'),
  ])
})

test('variables are replaced in values and conditions, with defaults that may be empty', () => {
  const text = `{ "inputs": [{ "stdin": { "type": "\${A}-\${B:b}\${C:}" } }], "outputs": [{ "if": "[x] == \\"\${A}\\"", "then": [{ "stdout": {} }] }] }`
  const plan = readPipelineJson(text, 'p.json', { A: 'a' })
  expect(plan.inputs).toMatchObject([{ options: [{ name: 'type', value: { kind: 'string', value: 'a-b' } }] }])
  expect(plan.outputs).toMatchObject([{ kind: 'if', condition: { right: { value: 'a' } } }])
})

test.each([
  ['""', false],
  ['"false"', false],
  ['"0"', false],
  ['false', false],
  ['"yes"', true],
  ['true', true],
  ['"!"', true],
  ['"!x"', false],
  ['"!${SET}"', false],
  ['"!${UNSET:}${SET}"', false],
  ['"!${UNSET:}"', true],
])('enabled: %s is %s', (enabled, isOn) => {
  const text = `{ ${ENDS}, "filters": [{ "drop": { "enabled": ${enabled} } }] }`
  const plan = readPipelineJson(text, 'p.json', { SET: 'localhost:9092' })
  expect(plan.filters.length).toBe(isOn ? 1 : 0)
})

test('a component that is off needs none of its variables', () => {
  const text = `{ ${ENDS}, "filters": [{ "drop": { "enabled": "\${NOT_SET:}", "percentage": "\${ALSO_NOT_SET}" } }] }`
  expect(readPipelineJson(text, 'p.json', {}).filters).toEqual([])
})

test('what is no object is told once', () => {
  expect(faults(`{ ${ENDS}, "filters": ["x"] }`)).toEqual([expect.stringContaining('got a string')])
})

test('the place of a fault in a condition counts the escapes before it', () => {
  const text = `{ ${ENDS}, "filters": [{ "if": "[a] == \\"x\\" && [b]", "then": [] }] }`
  const column = text.indexOf('&&') + 1
  expect(faults(text)).toEqual([expect.stringContaining(`p.json:1:${column}: `)])
})

test('the default pipeline is readable with nothing set, and with everything set', () => {
  const text = readFileSync(join(import.meta.dirname, '../../../config/pipeline.json'), 'utf8')
  const names = (variables: { [name: string]: string }): string[] => {
    const plan = readPipelineJson(text, 'pipeline.json', variables)
    return [...plan.inputs, ...plan.outputs].map((node) => (node.kind === 'component' ? node.name : 'if'))
  }
  expect(names({})).toEqual(['beats', 'sample', 'file'])
  expect(names({ KAFKA_BROKERS: 'k:9092' })).toEqual(['beats', 'kafka', 'file'])
  expect(names({ KAFKA_BROKERS: 'k:9092', ELASTICSEARCH_URL: 'http://es:9200' })).toEqual(['beats', 'kafka', 'elasticsearch'])
  expect(names({ ELASTICSEARCH_URL: 'http://es:9200' })).toEqual(['beats', 'elasticsearch'])
})

test('whatever text comes, it is read or refused', () => {
  const good = readFileSync(join(import.meta.dirname, '../../../config/pipeline.json'), 'utf8')
  const mutated = fc
    .tuple(fc.nat(good.length - 1), fc.nat(40), fc.string({ maxLength: 5 }))
    .map(([at, length, put]) => good.slice(0, at) + put + good.slice(at + length))
  fc.assert(
    fc.property(fc.oneof(mutated, fc.json(), fc.string()), (text) => {
      try {
        readPipelineJson(text, 'p.json', {})
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(ConfigError)
      }
    }),
  )
})
