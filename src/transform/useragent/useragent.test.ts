import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { testContext } from '../../../test/helpers/context.ts'
import { buildFilter, runFilter } from '../../../test/helpers/run-filter.ts'
import { parseFieldRef } from '../../core/field-ref.ts'
import { useragent } from './useragent.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-useragent-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function factsOf(agent: unknown, options: { readonly [name: string]: unknown } = {}): Promise<unknown> {
  return (await runFilter(useragent, { source: 'agent', target: 'ua', ...options }, JSON.stringify({ agent })))?.['ua']
}

const CHROME = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36'

// As Logstash found them.
test.each([
  [
    'Mozilla/5.0 (iPhone; CPU iPhone OS 17_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.2 Mobile/15E148 Safari/604.1',
    { name: 'Mobile Safari', version: '17.2', device: 'iPhone', os_full: 'iOS 17.2', os_major: '17', os_minor: '2' },
  ],
  ['curl/8.4.0', { name: 'curl', version: '8.4.0', major: '8', minor: '4', patch: '0', device: 'Other', os_full: 'Other' }],
  [
    'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)',
    { name: 'Googlebot', version: '2.1', device: 'Spider', os: 'Other', os_name: 'Other' },
  ],
  ['python-requests/2.31.0', { name: 'Python Requests', version: '2.31', major: '2', minor: '31' }],
  ['garbage', { name: 'Other', device: 'Other', os: 'Other', os_name: 'Other', os_full: 'Other' }],
  [
    'Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/119.0.6045.163 Mobile Safari/537.36',
    { name: 'Chrome Mobile', version: '119.0.6045.163', patch: '6045', device: 'Pixel 8', os_full: 'Android 14' },
  ],
  [
    'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.1 Safari/605.1.15',
    { name: 'Safari', device: 'Mac', os_full: 'Mac OS X 10.15.7', os_version: '10.15.7', os_patch: '7' },
  ],
  [
    'Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0',
    { name: 'Firefox', version: '120.0', os_full: 'Linux' },
  ],
  ['Mozilla/5.0 (Windows NT 6.0; rv:11.0) Gecko/20100101 Firefox/11.0', { os_full: 'Windows Vista', os_version: 'Vista' }],
])('%s', async (agent, facts) => {
  expect(await factsOf(agent)).toMatchObject(facts)
})

test('facts that are not known are not there', async () => {
  expect(Object.keys((await factsOf('garbage')) as object).sort()).toEqual(['device', 'name', 'os', 'os_full', 'os_name'])
})

test.each([[undefined], [null], [''], [[]], [[null]], [['']], [{ a: 1 }], [[['x']]]])(
  'a source of %j is passed over without a tag and without success',
  async (agent) => {
    const document = await runFilter(useragent, { source: 'agent', target: 'ua', add_tag: ['ok'] }, JSON.stringify({ agent }))
    expect(document).not.toHaveProperty('ua')
    expect(document).not.toHaveProperty('tags')
  },
)

test.each([[5], [1.5], [true], [false], [[5]]])('a source of %j is tagged', async (agent) => {
  const options = { source: 'agent', target: 'ua', add_tag: ['ok'], tag_on_failure: ['odd', 'agent'] }
  expect(await runFilter(useragent, options, JSON.stringify({ agent }))).toMatchObject({ agent, tags: ['odd', 'agent'] })
})

test('of a list the first element counts', async () => {
  expect(await factsOf([CHROME, 'curl/8.4.0'])).toMatchObject({ name: 'Chrome' })
})

test('without a target the facts go to the event, with a prefix', async () => {
  const document = await runFilter(useragent, { source: 'agent', prefix: 'p_', add_tag: ['ok'] }, { agent: 'curl/8.4.0' })
  expect(document).toMatchObject({ p_name: 'curl', p_version: '8.4.0', p_os_full: 'Other', p_device: 'Other', tags: ['ok'] })
})

test('a target keeps what is in it, the source gives way to it, and one below a text is tagged', async () => {
  const kept = await runFilter(useragent, { source: 'agent', target: '[a][ua]' }, { agent: 'curl/8.4.0', a: { ua: { x: 1 } } })
  expect(kept?.['a']).toMatchObject({ ua: { x: 1, name: 'curl' } })
  expect(await runFilter(useragent, { source: 'agent', target: 'agent' }, { agent: CHROME })).toMatchObject({
    agent: { name: 'Chrome' },
  })
  expect(await runFilter(useragent, { source: 'agent', target: '[agent][x]' }, { agent: CHROME })).toMatchObject({
    agent: CHROME,
    tags: ['_useragentparsefailure'],
  })
})

test.each(['v1', 'v8'] as const)(
  'with ECS %s the facts have its names, the rest goes to the metadata',
  async (ecs_compatibility) => {
    const context = testContext({ ecs_compatibility })
    const run = await buildFilter(useragent, { source: 'agent', prefix: 'p_' }, context)
    const { event } = run({
      agent: 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_14) AppleWebKit/605.1.15 Version/12.0.1 Safari/605.1.15',
    })
    expect(event.get(parseFieldRef('user_agent'))).toEqual({
      name: 'Safari',
      version: '12.0.1',
      device: { name: 'Mac' },
      os: { name: 'Mac OS X', version: '10.14', full: 'Mac OS X 10.14' },
    })
    expect(event.get(parseFieldRef('[@metadata][filter][user_agent]'))).toEqual({
      version: { major: '12', minor: '0', patch: '1' },
      os: { version: { major: '10', minor: '14' } },
    })
    expect(context.lines).toEqual([expect.stringContaining('no prefix with ECS on')])
  },
)

test('facts of one event can be changed without changing those of the next', async () => {
  const run = await buildFilter(useragent, { source: 'agent', target: 'ua', lru_cache_size: 1 })
  run({ agent: CHROME }).event.set(parseFieldRef('[ua][name]'), 'changed')
  expect(run({ agent: CHROME }).event.get(parseFieldRef('[ua][name]'))).toBe('Chrome')
  run({ agent: 'curl/8.4.0' })
  expect(run({ agent: CHROME }).event.get(parseFieldRef('[ua][name]'))).toBe('Chrome')
})

test('an own file of rules, from the folder of the config', async () => {
  const rules = `
user_agent_parsers:
  - regex: '(exchange)-client/(\\d+)'
    family_replacement: 'Our $1'
    v2_replacement: '7'
device_parsers:
  - regex: 'PHONE (\\w+)(?: (\\w+))?'
    regex_flag: 'i'
    device_replacement: '$1 $2'
`
  await writeFile(join(folder, 'own.yaml'), rules)
  const context = testContext({ paths: { data: folder, config: folder } })
  const options = { source: 'agent', target: 'ua', regexes: 'own.yaml' }
  expect(await runFilter(useragent, options, { agent: 'exchange-client/3 (phone X)' }, context)).toMatchObject({
    ua: { name: 'Our exchange', version: '3.7', device: 'X', os: 'Other' },
  })
  expect(await runFilter(useragent, options, { agent: CHROME }, context)).toMatchObject({ ua: { name: 'Other' } })
})

test.each([
  ['user_agent_parsers: [', /is no regexes.yaml/],
  ['- a', /expected a list of rules/],
  ['text', /expected lists of rules/],
  ["user_agent_parsers: [{ regex: '(' }]", /user_agent_parsers\[0\]: Invalid regular expression/],
  ['user_agent_parsers: [{ family_replacement: x }]', /expected a text in regex/],
  ['user_agent_parsers: 5', /expected a list of rules in user_agent_parsers/],
])('a file that holds %s is refused', async (text, message) => {
  const path = join(folder, 'bad.yaml')
  await writeFile(path, text)
  await expect(buildFilter(useragent, { source: 'agent', regexes: path })).rejects.toThrow(message)
})

test('a file that is not there, and a cache without room, are refused', async () => {
  await expect(buildFilter(useragent, { source: 'agent', regexes: '/none.yaml' })).rejects.toThrow(
    /cannot read the file of regexes/,
  )
  await expect(buildFilter(useragent, { source: 'agent', lru_cache_size: 0 })).rejects.toThrow(/at least 1|from 1/)
})

test('a hostile text takes no long time', async () => {
  const run = await buildFilter(useragent, { source: 'agent', target: 'ua' })
  const words = [
    'Bot ',
    'spider',
    'crawl',
    'Android ',
    'Build/',
    'CFNetwork',
    ' Mobile',
    'Opera ',
    '; ',
    '(',
    'x'.repeat(50),
    '1.1.1.',
  ]
  const before = performance.now()
  for (const word of words) run({ agent: word.repeat(100_000 / word.length) })
  expect(performance.now() - before).toBeLessThan(4000)
})
