import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { Secret } from '../core/secret.ts'
import { readJaas } from './security.ts'

const CLASS = 'org.apache.kafka.common.security.plain.PlainLoginModule'

function read(text: string): { username: string; password: string } {
  const { username, password } = readJaas(new Secret(text), 'INPUT_CANNOT_START')
  return { username, password: password.reveal() }
}

test('user name and password are read in double quotes, in single quotes and bare', () => {
  const expected = { username: 'logs', password: 's3cret' }
  expect(read(`${CLASS} required username="logs" password="s3cret";`)).toEqual(expected)
  expect(read(`${CLASS}   required\n  username='logs'\n  password='s3cret' ;\n`)).toEqual(expected)
  expect(read(`${CLASS} required password=s3cret username=logs;`)).toEqual(expected)
  expect(read('username="logs" password="s3cret"')).toEqual(expected)
})

test('a value may hold anything that the line itself is made of', () => {
  const password = 'a required username="x"; = \'b\' \\'
  const quoted = password.replace(/["\\]/g, '\\$&')
  expect(read(`${CLASS} required username="logs" password="${quoted}";`)).toEqual({ username: 'logs', password })
})

test('any password survives its quotes', () => {
  fc.assert(
    fc.property(fc.string(), (password) => {
      const quoted = password.replace(/["\\]/g, '\\$&')
      expect(read(`${CLASS} required username="u" password="${quoted}";`).password).toBe(password)
    }),
  )
})

test('a line without a password is refused, and the refusal does not repeat it', () => {
  expect(() => read(`${CLASS} required username="topsecret";`)).toThrow('expected `org.apache.kafka')
  expect(() => read(`${CLASS} required username="topsecret";`)).not.toThrow('topsecret')
})
