import { expect, test } from 'vitest'
import type { Settings } from '../config/settings/layer.ts'
import { readAccess } from './api-access.ts'

const AT = { file: 'logstash.yml', line: 1, column: 1 }

function settingsOf(values: { readonly [name: string]: string }): Settings {
  return new Map(Object.entries(values).map(([name, value]) => [name, { value, at: AT }]))
}

test.each<[{ readonly [name: string]: string }, { readonly [name: string]: string }, string]>([
  [{}, {}, 'unset'],
  [{ 'api.auth.type': 'none' }, {}, 'open'],
  [{}, { MILLRACE_API_AUTH: 'none' }, 'open'],
  [{ 'api.auth.token': 't' }, {}, 'token'],
  [{}, { MILLRACE_API_TOKEN: 't' }, 'token'],
  [{}, { MILLRACE_API_TOKEN: '' }, 'unset'],
  [
    { 'api.auth.type': 'basic', 'api.auth.basic.username': 'a', 'api.auth.basic.password': 'b' },
    { MILLRACE_API_TOKEN: 't' },
    'basic',
  ],
])('of %j and %j anybody, nobody or who is known may ask', (values, variables, kind) => {
  expect(readAccess(settingsOf(values), variables).kind).toBe(kind)
})

test.each([
  [{ 'api.auth.type': 'basic', 'api.auth.basic.username': 'a' }, 'expected api.auth.basic.username and api.auth.basic.password'],
  [{ 'api.auth.type': 'token' }, 'expected api.auth.token or MILLRACE_API_TOKEN'],
  [{ 'api.auth.type': 'digest' }, 'expected one of none, basic, token, got digest'],
])('%j is refused', (values, message) => {
  expect(() => readAccess(settingsOf(values as { [name: string]: string }), {})).toThrow(message)
})
