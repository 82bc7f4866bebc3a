import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pick, type Random, wholeBetween } from './random.ts'

/** Addresses that the usual test databases know, for where no others are given. */
export const PUBLIC_ADDRESSES: readonly string[] = [
  '81.2.69.160',
  '89.160.20.112',
  '216.160.83.57',
  '175.16.199.1',
  '2001:218::1',
  '8.8.8.8',
  '1.1.1.1',
]

const PRIVATE_SHARE = 0.2
const IPV6_SHARE = 0.03

/** Draws addresses: a fifth of them private ones, a few IPv6. */
export function createAddresses(addresses: readonly string[], random: Random): () => string {
  const ipv6 = addresses.filter((address) => address.includes(':'))
  const ipv4 = addresses.filter((address) => !address.includes(':'))
  return () => {
    const share = random()
    if (share < PRIVATE_SHARE) {
      return `10.${wholeBetween(0, 3, random)}.${wholeBetween(0, 255, random)}.${wholeBetween(0, 255, random)}`
    }
    if (share < PRIVATE_SHARE + IPV6_SHARE && ipv6.length > 0) return pick(ipv6, random)
    return ipv4.length > 0 ? pick(ipv4, random) : pick(ipv6, random)
  }
}

const SAMPLE_NETWORKS = join(import.meta.dirname, '..', '..', 'config', 'geoip', 'sample.json')

/** The addresses that the built-in GeoIP database covers, so that the sample shows places. */
export function readSampleAddresses(): readonly string[] {
  try {
    const { networks } = JSON.parse(readFileSync(SAMPLE_NETWORKS, 'utf8')) as { networks: { sample_address: string }[] }
    const addresses = networks.map(({ sample_address }) => sample_address).filter((address) => typeof address === 'string')
    return addresses.length > 0 ? addresses : PUBLIC_ADDRESSES
  } catch {
    return PUBLIC_ADDRESSES
  }
}
