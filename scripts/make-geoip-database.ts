/**
 * Makes GeoIP databases from a table of facts:
 *
 *   node scripts/make-geoip-database.ts [FACTS.json [PLACES.mmdb [OWNERS.mmdb]]]
 *
 * Without arguments: the built-in sample from config/geoip/sample.json. The same way makes a database for the networks
 * of your own house, private ones too. Its records have MaxMind's layout: whatever reads GeoLite2 reads them.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { MmdbNumber, type MmdbValue, writeDatabase } from '../src/geoip/mmdb-writer.ts'

interface FactsTable {
  readonly description: string
  /** ISO 8601: becomes the databases' build time, so that the same table always makes the same bytes. */
  readonly build_time: string
  readonly networks: readonly NetworkFacts[]
}

interface NetworkFacts {
  readonly network: string
  /** An address in it that a sample may use. */
  readonly sample_address: string
  readonly continent_code?: string
  readonly country_code?: string
  readonly country_name?: string
  readonly region_code?: string
  readonly region_name?: string
  readonly city_name?: string
  readonly postal_code?: string
  readonly latitude?: number
  readonly longitude?: number
  readonly time_zone?: string
  readonly metro_code?: number
  readonly as_number?: number
  readonly as_organization?: string
}

const CONTINENTS: { readonly [code: string]: string } = {
  AF: 'Africa',
  AN: 'Antarctica',
  AS: 'Asia',
  EU: 'Europe',
  NA: 'North America',
  OC: 'Oceania',
  SA: 'South America',
}

type Draft = { readonly [name: string]: MmdbValue | undefined }

/** A map of what is there; `undefined` where nothing is. */
function mapOf(draft: Draft): { readonly [name: string]: MmdbValue } | undefined {
  const entries = Object.entries(draft).filter((entry): entry is [string, MmdbValue] => entry[1] !== undefined)
  return entries.length === 0 ? undefined : Object.fromEntries(entries)
}

function named(name: string | undefined): MmdbValue | undefined {
  return mapOf({ en: name })
}

function double(value: number | undefined): MmdbNumber | undefined {
  return value === undefined ? undefined : new MmdbNumber('double', value)
}

function uint16(value: number | undefined): MmdbNumber | undefined {
  return value === undefined ? undefined : new MmdbNumber('uint16', value)
}

function placeOf(facts: NetworkFacts): MmdbValue | undefined {
  const region = mapOf({ iso_code: facts.region_code, names: named(facts.region_name) })
  return mapOf({
    city: mapOf({ names: named(facts.city_name) }),
    continent: mapOf({ code: facts.continent_code, names: named(CONTINENTS[facts.continent_code ?? '']) }),
    country: mapOf({ iso_code: facts.country_code, names: named(facts.country_name) }),
    location: mapOf({
      latitude: double(facts.latitude),
      longitude: double(facts.longitude),
      metro_code: uint16(facts.metro_code),
      time_zone: facts.time_zone,
    }),
    postal: mapOf({ code: facts.postal_code }),
    subdivisions: region === undefined ? undefined : [region],
  })
}

function ownerOf(facts: NetworkFacts): MmdbValue | undefined {
  return mapOf({ autonomous_system_number: facts.as_number, autonomous_system_organization: facts.as_organization })
}

async function write(
  path: string,
  database_type: string,
  table: FactsTable,
  recordOf: (facts: NetworkFacts) => MmdbValue | undefined,
): Promise<void> {
  const networks = table.networks.flatMap((facts) => {
    const record = recordOf(facts)
    return record === undefined ? [] : [{ network: facts.network, record }]
  })
  const build_time_s = Date.parse(table.build_time) / 1000
  const bytes = writeDatabase({ database_type, description: table.description, build_time_s, networks })
  await writeFile(path, bytes)
  process.stdout.write(`${path}: ${networks.length} networks, ${bytes.length} bytes\n`)
}

function inConfig(name: string): string {
  return fileURLToPath(new URL(`../config/geoip/${name}`, import.meta.url))
}

const [
  facts_path = inConfig('sample.json'),
  places_path = inConfig('millrace-sample.mmdb'),
  owners_path = inConfig('millrace-sample-asn.mmdb'),
] = process.argv.slice(2)

const table = JSON.parse(await readFile(facts_path, 'utf8')) as FactsTable
await write(places_path, 'Millrace-Sample-City', table, placeOf)
await write(owners_path, 'Millrace-Sample-ASN', table, ownerOf)
