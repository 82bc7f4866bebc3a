import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { testContext } from '../../../test/helpers/context.ts'
import { type DnsServer, startDnsServer } from '../../../test/helpers/dns-server.ts'
import { runFilter, TestFilter } from '../../../test/helpers/run-filter.ts'
import { temporaryFolder } from '../../../test/helpers/temporary-folder.ts'
import { waitFor } from '../../../test/helpers/wait-for.ts'
import { dns } from './dns.ts'

let server: DnsServer
beforeAll(async () => {
  server = await startDnsServer({
    'A web.test': ['192.0.2.10', '192.0.2.11'],
    'AAAA six.test': ['2001:db8:0:0:0:0:0:6'],
    'A six.test': [],
    'A short.inner.test': ['192.0.2.30'],
    'A xn--bcher-kva.test': ['192.0.2.40'],
    'A slow.test': 'silent',
    'A broken.test': 'failure',
    'PTR 10.2.0.192.in-addr.arpa': ['web.test'],
    'PTR 40.2.0.192.in-addr.arpa': ['xn--bcher-kva.test'],
    'PTR 6.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa': ['six.test'],
    'PTR 99.2.0.192.in-addr.arpa': 'silent',
  })
})
afterAll(() => server[Symbol.asyncDispose]())

interface Options {
  readonly [name: string]: unknown
}

async function lookedUp(options: Options, fields: { readonly [name: string]: unknown }): Promise<{ [name: string]: unknown }> {
  const all = { nameserver: server.address, timeout: 0.2, max_retries: 0, add_tag: ['ok'], ...options }
  const { '@timestamp': _time, '@version': _version, ...rest } = (await runFilter(dns, all, JSON.stringify(fields))) ?? {}
  return rest
}

test.each([
  ['append', 'web.test', ['web.test', '192.0.2.10']],
  ['append', ['web.test'], ['web.test', '192.0.2.10']],
  ['replace', 'web.test', '192.0.2.10'],
  ['replace', ['web.test'], ['192.0.2.10']],
  ['replace', 'six.test', '2001:db8::6'],
  ['replace', 'bücher.test', '192.0.2.40'],
  ['replace', '192.0.2.77', '192.0.2.77'],
])('resolve, %s: %j becomes %j', async (action, host, found) => {
  expect(await lookedUp({ resolve: 'host', action }, { host })).toEqual({ host: found, tags: ['ok'] })
})

test.each([
  ['append', '192.0.2.10', ['192.0.2.10', 'web.test']],
  ['replace', '192.0.2.10', 'web.test'],
  ['replace', ['192.0.2.10'], ['web.test']],
  ['replace', '192.0.2.40', 'bücher.test'],
  ['replace', '2001:db8::6', 'six.test'],
])('reverse, %s: %j becomes %j', async (action, ip, found) => {
  expect(await lookedUp({ reverse: 'ip', action }, { ip })).toEqual({ ip: found, tags: ['ok'] })
})

test.each([
  [{ resolve: 'v' }, 'none.test'],
  [{ resolve: 'v' }, 'broken.test'],
  [{ resolve: 'v' }, 'not a name ###'],
  [{ resolve: 'v' }, ''],
  [{ resolve: 'v' }, ['web.test', 'six.test']],
  [{ resolve: 'v' }, []],
  [{ resolve: 'v' }, [null]],
  [{ resolve: 'v' }, 5],
  [{ resolve: 'v' }, true],
  [{ resolve: 'v' }, { a: 'web.test' }],
  [{ reverse: 'v' }, 'web.test'],
  [{ reverse: 'v' }, '192.0.2.55'],
  [{ reverse: 'v' }, 5],
])('%j of %j leaves the event as it is, without success', async (options, v) => {
  expect(await lookedUp(options, { v })).toEqual({ v })
})

test('a missing field is passed over', async () => {
  expect(
    await lookedUp({ resolve: ['none', 'host'], reverse: 'null', action: 'replace' }, { host: 'web.test', null: null }),
  ).toEqual({ host: '192.0.2.10', null: null, tags: ['ok'] })
})

test('the first failure ends the work, and what was found before stays', async () => {
  const fields = { a: 'web.test', b: 'none.test', c: 'web.test' }
  expect(await lookedUp({ resolve: ['a', 'b', 'c'], action: 'replace' }, fields)).toEqual({ ...fields, a: '192.0.2.10' })
})

test('reverse sees what resolve found', async () => {
  expect(await lookedUp({ resolve: 'h', reverse: 'h', action: 'replace' }, { h: 'web.test' })).toEqual({
    h: 'web.test',
    tags: ['ok'],
  })
})

test.each([
  [{ resolve: 'v' }, 'slow.test'],
  [{ reverse: 'v' }, '192.0.2.99'],
])('no answer to %j is tagged', async (options, v) => {
  const started = server.questions.length
  const context = testContext()
  const all = { nameserver: server.address, timeout: 0.1, max_retries: 2, add_tag: ['ok'], warn_on_timeout: true, ...options }
  expect(await runFilter(dns, all, { v }, context)).toMatchObject({ v, tags: ['_dnstimeout'] })
  expect(server.questions.length - started).toBe(3)
  expect(context.lines).toEqual([expect.stringContaining('warn dns_timeout')])
})

test('names are completed with the search domains', async () => {
  const nameserver = { address: [server.address], search: ['outer.test', 'inner.test'] }
  expect(await lookedUp({ resolve: 'h', action: 'replace', nameserver }, { h: 'short' })).toMatchObject({ h: '192.0.2.30' })
  const before = server.questions.length
  expect(await lookedUp({ resolve: 'h', action: 'replace', nameserver }, { h: 'web.test' })).toMatchObject({ h: '192.0.2.10' })
  expect(await lookedUp({ resolve: 'h', action: 'replace', nameserver }, { h: 'short.' })).toEqual({ h: 'short.' })
  expect(server.questions.slice(before)).toEqual(['A web.test', 'A short'])
})

test('a batch asks each question once; answers and failures are kept where that is asked for', async () => {
  const context = testContext()
  const cached = { hit_cache_size: 10, failed_cache_size: 10, failed_cache_ttl: 60 }
  const options = { resolve: 'h', action: 'replace', nameserver: server.address, timeout: 0.2, max_retries: 0 }
  const filter = await TestFilter.build(dns, { ...options, ...cached }, context)
  const before = server.questions.length
  const batch = ['web.test', 'web.test', 'none.test', 'none.test'].map((h) => ({ h }))
  const texts = async (): Promise<unknown[]> =>
    (await filter.batch(batch)).map(({ event }) => (JSON.parse(event.toJsonText()) as { h: unknown }).h)
  const found = ['192.0.2.10', '192.0.2.10', 'none.test', 'none.test']
  expect(await texts()).toEqual(found)
  expect(await texts()).toEqual(found)
  expect(server.questions.slice(before).sort()).toEqual(['A none.test', 'A web.test'])
  expect(await context.metrics.text()).toContain('millrace_dns_lookups_total{component="test",outcome="cached"} 4')
  const forgetful = await TestFilter.build(dns, options)
  await forgetful.batch([{ h: 'web.test' }])
  await forgetful.batch([{ h: 'web.test' }])
  expect(server.questions.length - before).toBe(4)
})

test('slow answers do not add up over a batch', async () => {
  const options = { resolve: 'h', nameserver: server.address, timeout: 0.2, max_retries: 0 }
  const filter = await TestFilter.build(dns, options)
  const started = performance.now()
  const batch = [...Array(30).keys()].map(() => ({ h: 'slow.test' }))
  const runs = await filter.batch([...batch, { h: 'web.test' }])
  expect(performance.now() - started).toBeLessThan(3000)
  expect(runs.at(-1)?.event.toJsonText()).toContain('192.0.2.10')
})

test('a batch that must not wait any longer is given up', async () => {
  const options = { resolve: 'h', nameserver: server.address, timeout: 60 }
  const filter = await TestFilter.build(dns, options)
  const before = server.questions.length
  const leave = new AbortController()
  const waiting = filter.batch([{ h: 'slow.test' }], leave.signal)
  await waitFor('the question', () => server.questions.length > before, { timeout_ms: 5000 })
  leave.abort(new Error('the program leaves'))
  await expect(waiting).rejects.toThrow('the program leaves')
})

test('hosts files come first, and without a name server nobody is asked', async () => {
  await using folder = await temporaryFolder()
  await writeFile(
    join(folder.path, 'hosts'),
    '# ours\n192.0.2.60 db.test db # main\n192.0.2.61 db.test\n\n192.0.2.10 other.test\n',
  )
  const context = testContext({ paths: { data: folder.path, config: folder.path } })
  const options = { resolve: ['h'], reverse: ['ip'], action: 'replace', hostsfile: ['hosts'] }
  expect(await runFilter(dns, options, { h: 'db.test', ip: '192.0.2.60' }, context)).toMatchObject({
    h: '192.0.2.60',
    ip: 'db.test',
  })
  expect(await runFilter(dns, options, { h: 'web.test' }, context)).toMatchObject({ h: 'web.test' })
  const both = { ...options, nameserver: server.address }
  expect(await runFilter(dns, both, { h: 'web.test', ip: '192.0.2.10' }, context)).toMatchObject({
    h: '192.0.2.10',
    ip: 'other.test',
  })
  await expect(TestFilter.build(dns, { hostsfile: ['none'] }, context)).rejects.toThrow(/hostsfile: ENOENT/)
})

test.each([
  [{ nameserver: 'example.test' }, /expected IP addresses/],
  [{ nameserver: [] }, /at least one address/],
  [{ nameserver: { search: 'x' } }, /at least one address/],
  [{ nameserver: { address: '127.0.0.1', searches: 'x' } }, /expected address, search and ndots, got searches/],
  [{ nameserver: { address: '127.0.0.1', ndots: 0 } }, /at least 1/],
  [{ nameserver: { address: '127.0.0.1', search: ['a', 'b', 'c', 'd', 'e', 'f', 'g'] } }, /at most 6 search domains/],
  [{ action: 'add' }, /one of append, replace/],
])('%j is refused', async (options, message) => {
  await expect(TestFilter.build(dns, options)).rejects.toThrow(message)
})

test('without fields to look up every event passes with success', async () => {
  expect(await lookedUp({}, { a: 1 })).toEqual({ a: 1, tags: ['ok'] })
})
