import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { findSecret, keepIfSecret, keepSecret, keepSecretsOfAddresses, Secret, withoutSecrets } from './secret.ts'

test('a secret that was made anywhere stands in no text, also as messages quote it', () => {
  const secret = new Secret('quo"ted\\value')
  expect(`${secret.toString()} ${JSON.stringify({ secret })}`).toBe('<password> {"secret":"<password>"}')
  expect(withoutSecrets('got quo"ted\\value')).toBe('got <password>')
  expect(withoutSecrets(`got ${JSON.stringify(secret.reveal())}`)).toBe('got "<password>"')
})

test.each([
  ['user shorty, password shorty', 'user <password>, password <password>'],
  ['http://u:shorty@h', 'http://u:<password>@h'],
  ['shortylong and veryshorty', 'shortylong and veryshorty'],
  ['xa-longer-secrety', 'x<password>y'],
  ['a-longer-secret-with-more', '<password>'],
  ['abc', 'abc'],
])('a short one is hidden where it stands by itself, a long one everywhere: %s', (text, expected) => {
  for (const secret of ['abc', 'shorty', 'a-longer-secret', 'a-longer-secret-with-more']) keepSecret(secret)
  expect(withoutSecrets(text)).toBe(expected)
})

test('any secret is hidden between any neighbours that are no letters', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 4, maxLength: 20 }), fc.constantFrom(' ', '"', ':', '@', ''), (text, neighbour) => {
      const secret = `§${text}`
      keepSecret(secret)
      expect(withoutSecrets(`${neighbour}${secret}${neighbour}`)).not.toContain(secret)
    }),
    { numRuns: 200 },
  )
})

test.each([
  ['http://ann:in-address@h:9200/x', 'in-address'],
  ['http://ann:p%2Fercent%20ed@h', 'p/ercent ed'],
  ['http://ann:as-base64@h', Buffer.from('ann:as-base64').toString('base64')],
  ['ann:without-scheme@h', 'without-scheme'],
  ['https://h/x?a=1&access_token=in-parameter', 'in-parameter'],
])('what %s holds is kept', (address, secret) => {
  keepSecretsOfAddresses(address)
  expect(withoutSecrets(`it was ${secret}`)).toBe('it was <password>')
})

test.each([
  'http://127.0.0.1:92001',
  'mailto:somebody@example.com',
  'https://h/x?first=ordinary',
  '%{NOTSPACE:client_name}@%{x}',
])('%s holds no secret', (address) => {
  keepSecretsOfAddresses(address)
  const text = '92001 somebody example.com ordinary client_name client_name}'
  expect(withoutSecrets(text)).toBe(text)
})

test('a variable or a header is a secret by its name, unless its value says nothing', () => {
  keepIfSecret('ES_PASSWORD', 'of-a-variable')
  keepIfSecret('Authorization', 'Bearer of-a-header')
  keepIfSecret('USE_TOKEN', 'true')
  keepIfSecret('REGION', 'north-of-it')
  keepIfSecret('PWD', '/home/ann')
  keepIfSecret('api.auth.basic.password_policy.mode', 'WARN')
  const plain = 'true north-of-it /home/ann WARN'
  expect(withoutSecrets(`of-a-variable of-a-header ${plain}`)).toBe(`<password> <password> ${plain}`)
})

test.each([
  ['password => "x"', 0],
  ['hosts => ["http://ann:x@h"]', 18],
  ['user => ann ssl_key_passphrase => y', 20],
  ['hosts => ["https://ann:cut o', -1],
  ['hosts => ["https://ann:cut', 16],
  ['hosts => ["https://h:9200', -1],
  ['url => "https://h:9200/" codec => json', -1],
])('where a secret begins in %s', (text, at) => {
  expect(findSecret(text)).toBe(at)
})
