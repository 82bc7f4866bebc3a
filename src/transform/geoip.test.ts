import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { type TestContext, testContext } from '../../test/helpers/context.ts'
import { buildFilter, runFilter } from '../../test/helpers/run-filter.ts'
import type { Context } from '../core/context.ts'
import { parseFieldRef } from '../core/field-ref.ts'
import type { Fields } from '../core/values.ts'
import { MmdbNumber, type MmdbValue, writeDatabase } from '../geoip/mmdb-writer.ts'
import { geoip } from './geoip.ts'

const SAMPLE = fileURLToPath(new URL('../../config/geoip/millrace-sample.mmdb', import.meta.url))
const ecs = (): TestContext => testContext({ ecs_compatibility: 'v8' })

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-geoip-filter-'))
})
afterAll(() => rm(folder, { recursive: true }))
beforeEach(() => {
  vi.stubEnv('MILLRACE_GEOIP_DATABASE', SAMPLE)
  return () => {
    vi.unstubAllEnvs()
  }
})

/** Writes a database whose records are given by network, and returns its path. */
async function database(database_type: string, records: { readonly [network: string]: MmdbValue }): Promise<string> {
  const networks = Object.entries(records).map(([network, record]) => ({ network, record }))
  const path = join(folder, `${database_type.replaceAll(' ', '-')}-${Math.random()}.mmdb`)
  await writeFile(path, writeDatabase({ database_type, description: 'a test', build_time_s: 1_767_225_600, networks }))
  return path
}

/** What the filter makes of one address below `target`. */
async function locate(options: { readonly [name: string]: unknown }, ip: unknown, context?: Context): Promise<unknown> {
  const event = await runFilter(geoip, { source: 'ip', target: 'to', ...options }, { ip } as Fields, context)
  return event?.['to']
}

const LONDON = {
  country: { iso_code: 'GB', names: { en: 'United Kingdom', de: 'Vereinigtes Königreich' } },
  continent: { code: 'EU', names: { en: 'Europe' } },
  city: { names: { en: 'London' } },
  subdivisions: [
    { iso_code: 'ENG', names: { en: 'England' } },
    { iso_code: 'LND', names: { en: 'City of London' } },
  ],
  location: { latitude: new MmdbNumber('double', 51), longitude: -0.0931, time_zone: 'Europe/London', metro_code: 819 },
  postal: { code: 'EC1' },
}

test('a city record fills the fields of Logstash 7, the last subdivision as the region, coordinates as decimals', async () => {
  const path = await database('GeoLite2-City', { '81.2.69.0/24': LONDON })
  const { event } = (await buildFilter(geoip, { source: 'ip', database: path }))({ ip: '81.2.69.160' })
  expect(JSON.parse(event.toJsonText())).toMatchObject({
    geoip: {
      ip: '81.2.69.160',
      city_name: 'London',
      continent_code: 'EU',
      country_name: 'United Kingdom',
      country_code2: 'GB',
      country_code3: 'GB',
      postal_code: 'EC1',
      dma_code: 819,
      region_name: 'City of London',
      region_code: 'LND',
      timezone: 'Europe/London',
      location: { lat: 51, lon: -0.0931 },
      latitude: 51,
      longitude: -0.0931,
    },
  })
  expect(event.toJsonText()).toContain('"location":{"lat":51.0,"lon":-0.0931}')
  expect(event.toJsonText()).not.toContain('tags')
})

test.each(['v1', 'v8'] as const)('with ECS %s the same record fills geo and mmdb below the target', async (ecs_compatibility) => {
  const path = await database('GeoLite2-City', { '81.2.69.0/24': LONDON })
  expect(await locate({ database: path, target: 'to' }, '81.2.69.160', testContext({ ecs_compatibility }))).toEqual({
    ip: '81.2.69.160',
    geo: {
      city_name: 'London',
      continent_code: 'EU',
      country_name: 'United Kingdom',
      country_iso_code: 'GB',
      postal_code: 'EC1',
      region_name: 'City of London',
      region_iso_code: 'GB-LND',
      timezone: 'Europe/London',
      location: { lat: 51, lon: -0.0931 },
    },
    mmdb: { dma_code: 819 },
  })
})

test('a record without coordinates still fills its country, where Logstash loses it', async () => {
  const path = await database('GeoLite2-City', { '81.2.69.0/24': { country: LONDON.country } })
  const found = { ip: '81.2.69.160', country_name: 'United Kingdom', country_code2: 'GB', country_code3: 'GB' }
  expect(await locate({ database: path }, '81.2.69.160')).toEqual(found)
})

test('a country database fills country and continent names', async () => {
  const path = await database('GeoLite2-Country', { '81.2.69.0/24': LONDON })
  const found = { ip: '81.2.69.160', country_name: 'United Kingdom', country_code2: 'GB', continent_name: 'Europe' }
  expect(await locate({ database: path }, '81.2.69.160')).toEqual(found)
})

test('flat records of ip-location-db fill the same fields; empty texts and ZZ are nothing', async () => {
  const city = {
    country_code: 'SE',
    state1: 'Östergötland',
    city: 'Linköping',
    postcode: '',
    latitude: 58.4167,
    longitude: 15.6167,
  }
  const cities = await database('city ipv4', { '89.160.20.0/24': { ...city, timezone: '' }, '1.0.0.0/8': { country_code: 'ZZ' } })
  expect(await locate({ database: cities }, '89.160.20.112')).toEqual({
    ip: '89.160.20.112',
    city_name: 'Linköping',
    country_name: 'Sweden',
    country_code2: 'SE',
    country_code3: 'SE',
    region_name: 'Östergötland',
    location: { lat: 58.4167, lon: 15.6167 },
    latitude: 58.4167,
    longitude: 15.6167,
  })
  expect(await locate({ database: cities }, '1.2.3.4')).toEqual({})
  const countries = await database('country ipvAll', { '2001:218::/32': { country_code: 'JP' } })
  const found = { ip: '2001:218:0:0:0:0:0:1', country_name: 'Japan', country_code2: 'JP' }
  expect(await locate({ database: countries }, '2001:218::1')).toEqual(found)
})

test('the owner of a network comes from ASN, ISP and Enterprise databases', async () => {
  const owner = { autonomous_system_number: 1221, autonomous_system_organization: 'Telstra Pty Ltd' }
  const asn = await database('GeoLite2-ASN', { '1.128.0.0/11': owner, '2.0.0.0/8': { autonomous_system_number: 209 } })
  expect(await locate({ database: asn }, '1.128.0.0')).toEqual({ ip: '1.128.0.0', asn: 1221, as_org: 'Telstra Pty Ltd' })
  expect(await locate({ database: asn }, '2.0.0.1')).toEqual({ ip: '2.0.0.1', asn: 209 })
  expect(await locate({ database: asn }, '1.128.0.0', ecs())).toEqual({
    ip: '1.128.0.0',
    as: { number: 1221, organization: { name: 'Telstra Pty Ltd' } },
  })
  const isp = await database('GeoIP2-ISP', { '1.128.0.0/11': { ...owner, isp: 'Telstra', organization: 'Telstra Internet' } })
  expect(await locate({ database: isp }, '1.128.0.0')).toMatchObject({
    asn: 1221,
    isp: 'Telstra',
    organization: 'Telstra Internet',
  })
  const enterprise = await database('GeoIP2-Enterprise', {
    '1.128.0.0/11': { ...LONDON, traits: { ...owner, is_tor_exit_node: true } },
  })
  const fields = ['AUTONOMOUS_SYSTEM_NUMBER', 'Tor_Exit_Node', 'anonymous', 'network']
  expect(await locate({ database: enterprise, fields }, '1.128.0.0', ecs())).toEqual({
    as: { number: 1221 },
    ip_traits: { tor_exit_node: true, anonymous: false, network: '1.128.0.0/11' },
  })
})

test('an anonymous address is told from the others by true and false', async () => {
  const path = await database('GeoIP2-Anonymous-IP', { '1.2.0.0/16': { is_anonymous: true, is_anonymous_vpn: true } })
  expect(await locate({ database: path }, '1.2.3.4')).toEqual({
    hosting_provider: false,
    tor_exit_node: false,
    anonymous_vpn: true,
    anonymous: true,
    public_proxy: false,
    residential_proxy: false,
  })
})

test('fields choose what is added; where none of them is known the address counts as not found', async () => {
  const path = await database('GeoLite2-City', { '81.2.69.0/24': LONDON, '2001:218::/32': { country: LONDON.country } })
  const filter = await buildFilter(geoip, { source: 'ip', target: 'to', database: path, fields: ['city_name', 'LOCATION'] })
  expect(JSON.parse(filter({ ip: '81.2.69.160' }).event.toJsonText())).toMatchObject({
    to: { city_name: 'London', location: { lat: 51, lon: -0.0931 } },
  })
  expect(JSON.parse(filter({ ip: '2001:218::1' }).event.toJsonText())).toMatchObject({ to: {}, tags: ['_geoip_lookup_failure'] })
})

test('an unknown field is refused at its place, with the nearest one', async () => {
  await expect(buildFilter(geoip, { source: 'ip', fields: ['city_nam'] })).rejects.toMatchObject({
    problems: [{ code: 'CONFIG_INVALID_OPTION', hint: 'did you mean city_name?' }],
  })
})

const TAGGED = ['_geoip_lookup_failure']

test.each([
  '10.0.0.1',
  '127.0.0.1',
  '::1',
  '0.0.0.0',
  '255.255.255.255',
  'not-an-ip',
  'localhost',
  ' 81.2.69.160',
  '81.2.69.160:80',
])('a private, unknown or invalid address gets the tag and an empty target: %s', async (ip) => {
  expect(await runFilter(geoip, { source: 'ip' }, { ip })).toMatchObject({ geoip: {}, tags: TAGGED })
})

test.each([[null], [''], ['  '], [[]], [5], [true], [{ a: 1 }], [[5]], [[null]]])(
  'no address at all gets the tag only: %j',
  async (ip) => {
    const event = await runFilter(geoip, { source: 'ip' }, { ip })
    expect(event).toMatchObject({ tags: TAGGED })
    expect(event).not.toHaveProperty('geoip')
  },
)

test('of a list the first element counts; IPv4 within IPv6 is IPv4', async () => {
  expect(await locate({ fields: ['ip'] }, ['81.2.69.160', '89.160.20.112'])).toEqual({ ip: '81.2.69.160' })
  expect(await locate({ fields: ['ip', 'city_name'] }, '::ffff:81.2.69.160')).toEqual({ ip: '81.2.69.160', city_name: 'London' })
})

test('found facts go over a target that is there, a failed look-up leaves it alone', async () => {
  const filter = await buildFilter(geoip, { source: 'ip', target: 'client', fields: ['city_name', 'location'] }, ecs())
  const client = { geo: { old: 1, location: { lat: 1, accuracy: 2 } }, keep: 2 }
  expect(JSON.parse(filter({ ip: '81.2.69.160', client }).event.toJsonText())).toMatchObject({
    client: { keep: 2, geo: { old: 1, city_name: 'London' } },
  })
  const merged = filter({ ip: '81.2.69.160', client }).event.get(parseFieldRef('[client][geo][location]'))
  expect(merged).toEqual({ lat: 51.5142, lon: -0.0931 })
  const failed = JSON.parse(filter({ ip: '10.0.0.1', client }).event.toJsonText()) as object
  expect(failed).toMatchObject({ client, tags: TAGGED })
})

test.each([
  { target: 'client', client: 'a text' },
  { target: 'client', client: [1] },
  { target: 'client', client: { geo: 'a text' } },
  { target: '[client][below]', client: 'a text' },
  { target: 'tags', client: 1 },
  { target: '@timestamp', client: 1 },
])('a target where no map can go is left as it is and tagged: %j', async ({ target, client }) => {
  const event = await runFilter(geoip, { source: 'ip', target }, { ip: '81.2.69.160', client }, ecs())
  expect(event).toMatchObject({ client, tags: TAGGED })
})

test('no two events share a map', async () => {
  const filter = await buildFilter(geoip, { source: 'ip' })
  const [first, second] = [filter({ ip: '81.2.69.160' }).event, filter({ ip: '81.2.69.160' }).event]
  const latitude = parseFieldRef('[geoip][location][lat]')
  first.set(latitude, 0)
  first.remove(parseFieldRef('[geoip][city_name]'))
  expect(second.get(latitude)).toBe(51.5142)
  expect(filter({ ip: '81.2.69.160' }).event.get(parseFieldRef('[geoip][city_name]'))).toBe('London')
})

test('success runs the common options, failure only the failure tags', async () => {
  const options = {
    source: 'ip',
    add_tag: ['found'],
    add_field: { city: '%{[geoip][city_name]}' },
    tag_on_failure: ['lost', 'far away'],
  }
  const filter = await buildFilter(geoip, options)
  expect(JSON.parse(filter({ ip: '81.2.69.160' }).event.toJsonText())).toMatchObject({ city: 'London', tags: ['found'] })
  expect(JSON.parse(filter({ ip: '10.0.0.1' }).event.toJsonText())).toMatchObject({ tags: ['lost', 'far away'] })
})

test('with ECS on a source that ends in [ip] is its own target', async () => {
  const context = ecs()
  const event = await runFilter(
    geoip,
    { source: '[client][ip]', fields: ['city_name'] },
    { client: { ip: '81.2.69.160', port: 5 } },
    context,
  )
  expect(event).toMatchObject({ client: { ip: '81.2.69.160', port: 5, geo: { city_name: 'London' } } })
  expect(context.lines.filter((line) => line.startsWith('warn'))).toEqual([])
})

test.each(['ip', '[ip]', 'clip'])(
  'with ECS on and no target, the source %s works as it did in Logstash 7, with one warning',
  async (source) => {
    const context = ecs()
    const filter = await buildFilter(geoip, { source, fields: ['country_code2'] }, context)
    filter({ ip: '10.0.0.1' })
    const { event } = filter({ ip: '81.2.69.160', clip: '81.2.69.160' })
    expect(JSON.parse(event.toJsonText())).toMatchObject({ geoip: { country_code2: 'GB' } })
    expect(context.lines.filter((line) => line.startsWith('warn geoip_target'))).toHaveLength(1)
  },
)

test('with ECS on a target that ECS does not know is warned of', async () => {
  const context = ecs()
  await buildFilter(geoip, { source: 'ip', target: 'peer' }, context)
  expect(context.lines).toContainEqual(expect.stringMatching(/^warn .*expects geo below one of client.*peer/))
})

test.each(['option', 'environment'])('a database that the %s names and that cannot be read is refused', async (where) => {
  const path = join(folder, 'nothing-here.mmdb')
  if (where === 'environment') vi.stubEnv('MILLRACE_GEOIP_DATABASE', path)
  const options = where === 'option' ? { source: 'ip', database: path } : { source: 'ip' }
  await expect(buildFilter(geoip, options)).rejects.toMatchObject({
    problems: [{ code: 'CONFIG_CANNOT_START', message: expect.stringContaining(path) as string }],
  })
})

test('a relative path of the option starts at the folder of the config', async () => {
  const path = await database('GeoLite2-Country', { '81.2.69.0/24': LONDON })
  const context = testContext({ paths: { data: 'data', config: folder } })
  expect(await locate({ database: path.slice(folder.length + 1), fields: ['country_code2'] }, '81.2.69.160', context)).toEqual({
    country_code2: 'GB',
  })
})

test('without a named database the one that comes along is used, and the log says which and whose', async () => {
  vi.stubEnv('MILLRACE_GEOIP_DATABASE', undefined)
  const context = testContext()
  expect(await locate({ fields: ['country_code2'] }, '8.8.8.8', context)).toEqual({ country_code2: 'US' })
  expect(context.lines).toEqual([
    expect.stringMatching(/^info geoip_database: geoip uses (the built-in sample|.*IP Geolocation by DB-IP)/),
  ])
})

test('a damaged record is unknown and warned of, the records beside it are not', async () => {
  const path = await database('GeoLite2-City', { '1.0.0.0/8': { city: { names: { en: 'Damaged' } } }, '81.2.69.0/24': LONDON })
  const bytes = await readFile(path)
  // The type in front of the text becomes one that does not exist.
  bytes[bytes.indexOf('Damaged') - 1] = 0
  await writeFile(path, bytes)
  const context = testContext()
  const filter = await buildFilter(geoip, { source: 'ip', database: path }, context)
  expect(JSON.parse(filter({ ip: '1.2.3.4' }).event.toJsonText())).toMatchObject({ geoip: {}, tags: TAGGED })
  expect(JSON.parse(filter({ ip: '81.2.69.160' }).event.toJsonText())).toMatchObject({ geoip: { city_name: 'London' } })
  expect(context.lines).toContainEqual(expect.stringMatching(/^warn geoip_record: .*the file is damaged/))
})

test('whatever an event holds, it goes on, tagged or with facts', async () => {
  const filter = await buildFilter(geoip, { source: '[a][ip]' }, ecs())
  fc.assert(
    fc.property(
      fc.dictionary(fc.constantFrom('a', 'ip', 'geo', '__proto__', 'location'), fc.jsonValue()),
      fc.jsonValue(),
      (a, ip) => {
        const { event } = filter(JSON.stringify({ a: { ...a, ip } }))
        expect(event.cancelled).toBeUndefined()
        expect(event.toJsonText()).toMatch(/_geoip_lookup_failure|"geo":\{/)
      },
    ),
  )
})
