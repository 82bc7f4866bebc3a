import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { testContext } from '../../test/helpers/context.ts'
import { buildFilter, runFilter, TestFilter } from '../../test/helpers/run-filter.ts'
import { temporaryFolder } from '../../test/helpers/temporary-folder.ts'
import { Timestamp } from '../core/values.ts'
import { cidr } from './cidr.ts'

const NETWORK = ['10.0.0.0/8, 192.0.2.7', '2001:db8::/32']

test.each([
  ['10.1.2.3', true],
  ['11.0.0.1', false],
  ['192.0.2.7', true],
  ['2001:db8::1', true],
  ['::ffff:10.0.0.1', true],
  ['bad', false],
  ['', false],
  [null, false],
  [undefined, false],
  [5, false],
  [['10.0.0.1'], true],
  [['10.0.0.1', '10.0.0.2'], false],
  [{ a: 1 }, false],
])('%j is inside: %s', async (ip, isInside) => {
  const options = { address: ['%{ip}'], network: NETWORK, add_tag: ['in'], add_field: { net: 'int' } }
  const document = await runFilter(cidr, options, JSON.stringify({ ip }))
  if (isInside) expect(document).toMatchObject({ tags: ['in'], net: 'int' })
  else expect(document).not.toHaveProperty('tags')
})

test('one of several addresses is enough, and acts once', async () => {
  const options = { address: ['%{a}', '%{b}', '10.0.0.9'], network: '10.0.0.0/8', add_tag: ['in'] }
  expect(await runFilter(cidr, options, { a: 'x', b: '10.0.0.1' })).toMatchObject({ tags: ['in'] })
})

test('networks may come from the event, beside fixed ones; what is none is passed over', async () => {
  const context = testContext()
  const run = await buildFilter(cidr, { address: '%{ip}', network: ['%{nets}', '10.0.0.0/8', 'x/8'], add_tag: ['in'] }, context)
  const isInside = (fields: { [name: string]: string }) => run(fields).event.toJsonText().includes('"in"')
  expect(isInside({ ip: '192.0.2.1', nets: '192.0.2.0/24 , y' })).toBe(true)
  expect(isInside({ ip: '192.0.2.1' })).toBe(false)
  expect(isInside({ ip: '10.0.0.1', nets: '192.0.2.0/24' })).toBe(true)
  expect(context.lines).toContainEqual(expect.stringContaining('Invalid IP network, skipping: "x/8"'))
})

test('a file of networks is read again after the interval, and its last good state stays', async () => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'networks')
  await writeFile(path, '10.0.0.0/8\r\n\n192.0.2.0/24\n')
  let now = 0
  const clock = { now: () => now, timestamp: () => new Timestamp(now) }
  const options = { address: '%{ip}', network_path: 'networks', refresh_interval: 60, add_tag: ['in'] }
  const context = testContext({ clock, paths: { data: '.', config: folder.path } })
  await using filter = await TestFilter.build(cidr, options, context)
  const isInside = async (ip: string) => {
    const [run] = await filter.batch([{ ip }])
    return run?.event.toJsonText().includes('"in"')
  }
  expect(await isInside('192.0.2.1')).toBe(true)
  await writeFile(path, '198.51.100.0/24')
  now = 60_000
  expect(await isInside('198.51.100.1')).toBe(false)
  now = 60_001
  expect(await isInside('198.51.100.1')).toBe(true)
  expect(await isInside('10.0.0.1')).toBe(false)
  await writeFile(path, '')
  now = 200_000
  expect(await isInside('198.51.100.1')).toBe(true)
  await rm(path)
  now = 400_000
  expect(await isInside('198.51.100.1')).toBe(true)
  expect(context.lines).toContainEqual(expect.stringContaining('the networks stay as they were'))
})

test('a file with another separator', async () => {
  await using folder = await temporaryFolder()
  await writeFile(join(folder.path, 'networks'), '10.0.0.0/8;192.0.2.0/24')
  const options = { address: '%{ip}', network_path: join(folder.path, 'networks'), separator: ';', add_tag: ['in'] }
  expect(await runFilter(cidr, options, { ip: '192.0.2.1' })).toMatchObject({ tags: ['in'] })
})

test('faults of the config are refused', async () => {
  await expect(buildFilter(cidr, {})).rejects.toThrow('missing the required option address')
  await expect(buildFilter(cidr, { address: 'a', network_path: '/no/such/file' })).rejects.toThrow(
    'network_path: expected a file',
  )
  await expect(buildFilter(cidr, { address: 'a', network: ['::/0'], network_path: 'x' })).rejects.toThrow('mutually exclusive')
})
