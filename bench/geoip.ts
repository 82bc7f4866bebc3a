// Claims: geoip costs no more than maxmind's reader with the same fields set by hand; without a cache at most a third more.
// One event with an address in, its facts set, in events per second of CPU.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type CityResponse, open } from 'maxmind'
import { parseFieldRef } from '../src/core/field-ref.ts'
import type { Fields } from '../src/core/values.ts'
import { type Comparison, compare, type Way } from './harness/compare.ts'
import { eventWay, filterWay } from './harness/filter-way.ts'
import { printTable, type Row } from './harness/table.ts'

const EVENTS = 20_000
const FOLDER = join(import.meta.dirname, '..', 'config', 'geoip')
const DATABASE = join(FOLDER, 'millrace-sample.mmdb')
const CACHED = 1_000
/** Less than ours can be told to keep. */
const UNCACHED = 1

const TARGET = parseFieldRef('geoip')

interface GeoipComparisons {
  readonly cached: Comparison
  readonly uncached: Comparison
}

async function benchGeoip(): Promise<GeoipComparisons> {
  const addresses = await sampleAddresses()
  const run = async (cache_size: number): Promise<Comparison> => {
    const ours = await filterWay('geoip', { source: 'message', database: DATABASE, cache_size }, addresses)
    return compare(await byReader(addresses, cache_size), ours, EVENTS)
  }
  return { cached: await run(CACHED), uncached: await run(UNCACHED) }
}

/** Two neighbours are never of one network. */
async function sampleAddresses(): Promise<string[]> {
  const { networks } = JSON.parse(await readFile(join(FOLDER, 'sample.json'), 'utf8')) as {
    readonly networks: readonly { readonly sample_address: string; readonly country_code?: string }[]
  }
  const known = networks.filter(({ country_code }) => country_code !== undefined)
  return Array.from({ length: EVENTS }, (_, index) => known[index % known.length]?.sample_address ?? '')
}

async function byReader(addresses: readonly string[], cache_size: number): Promise<Way> {
  const reader = await open<CityResponse>(DATABASE, { cache: { max: cache_size } })
  return eventWay("maxmind's reader", addresses, (event, address) => event.set(TARGET, located(address, reader.get(address))))
}

function located(ip: string, record: CityResponse | null): Fields {
  if (record === null) return {}
  const fields = {
    ip,
    city_name: record.city?.names.en,
    continent_code: record.continent?.code,
    country_name: record.country?.names.en,
    country_code2: record.country?.iso_code,
    country_code3: record.country?.iso_code,
    postal_code: record.postal?.code,
    region_name: record.subdivisions?.[0]?.names.en,
    region_code: record.subdivisions?.[0]?.iso_code,
    timezone: record.location?.time_zone,
    location: { lat: record.location?.latitude, lon: record.location?.longitude },
    latitude: record.location?.latitude,
    longitude: record.location?.longitude,
  }
  return fields
}

const TITLE = 'geoip: events in a second of CPU'

function geoipRows({ cached, uncached }: GeoipComparisons): Row[] {
  return [
    { what: `cached: ${cached.base.name}`, unit: '', figures: cached.base },
    { what: `cached: ${cached.other.name}`, unit: '', figures: cached.other },
    { what: 'ours to the reader', unit: '', digits: 2, figures: cached.ratio, claim: { at_least: 1 } },
    { what: `not cached: ${uncached.base.name}`, unit: '', figures: uncached.base },
    { what: `not cached: ${uncached.other.name}`, unit: '', figures: uncached.other },
    { what: 'ours to the reader', unit: '', digits: 2, figures: uncached.ratio, claim: { at_least: 0.75 } },
  ]
}

printTable(TITLE, geoipRows(await benchGeoip()))
