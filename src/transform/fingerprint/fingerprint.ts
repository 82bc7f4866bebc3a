import { createHmac, hash as digest, randomUUID } from 'node:crypto'
import { defineFilter } from '../../core/component.ts'
import type { FilterContext, Step } from '../../core/contracts.ts'
import { MillraceError } from '../../core/errors.ts'
import type { Event } from '../../core/event.ts'
import { type FieldRef, parseFieldRef } from '../../core/field-ref.ts'
import * as option from '../../core/options/options.ts'
import type { Secret } from '../../core/secret.ts'
import type { Value } from '../../core/values.ts'
import { parseAddress } from '../../geoip/address.ts'
import { compareBytes, sortedRubyText } from '../ruby-text.ts'
import { murmur3, murmur3In128Bits } from './murmur3.ts'

const DIGESTS = ['SHA1', 'SHA256', 'SHA384', 'SHA512', 'MD5'] as const
const METHODS = [...DIGESTS, 'MURMUR3', 'MURMUR3_128', 'IPV4_NETWORK', 'UUID', 'PUNCTUATION'] as const

const FINGERPRINT_OPTIONS = {
  source: option.fieldRefs('Fields to make the fingerprint of. A missing one is passed over.', { default: ['message'] }),
  target: option.fieldRef('Field that the fingerprint is put into. Default: `fingerprint`; with ECS on `[event][hash]`.'),
  method: option.oneOf('How the fingerprint is made.', METHODS, { default: 'SHA1' }),
  key: option.secret(
    'With SHA and MD5 the key of an HMAC; with IPV4_NETWORK the length of the network prefix, such as 24 (needed there).',
  ),
  base64encode: option.boolean('Writes SHA, MD5 and MURMUR3_128 in Base64 instead of hexadecimal.', { default: false }),
  concatenate_sources: option.boolean('Makes one fingerprint of the names and values of all source fields.', {
    default: false,
  }),
  concatenate_all_fields: option.boolean('Makes one fingerprint of the names and values of all fields of the event.', {
    default: false,
  }),
  tag_on_failure: option.list(
    'Tags of an event that no fingerprint can be made of: with IPV4_NETWORK what is no address, with PUNCTUATION what is no text.',
    { default: ['_fingerprintfailure'] },
  ),
}

type FingerprintOptions = option.OptionValues<typeof FINGERPRINT_OPTIONS>

/** The fingerprint of a value; `undefined` where none can be made. */
type Hash = (value: Value) => Value | undefined

export const fingerprint = defineFilter({
  name: 'fingerprint',
  summary: 'Makes a hash of fields: a document id that is the same for the same event.',
  description: `
Fingerprints are bit for bit those of Logstash 9.3, so that documents written by either replace each other. (9.4 writes maps and lists
in another way when it concatenates.)

Of several sources the last one that is there wins, as in Logstash; \`concatenate_sources\` makes one fingerprint of the text
\`|name|value|name|value|\`, its names sorted, a missing value empty. Of a list every element gets its own fingerprint, unless
concatenated. A map is hashed as \`{"a"=>1, "b"=>2}\`, its names sorted. A null value is hashed as the empty text.

MURMUR3 gives a number, UUID a random id, PUNCTUATION the punctuation and symbols of a text, IPV4_NETWORK the network
that an address lies in (IPv6 too). What they cannot take is tagged, where it would stop Logstash. A target
below \`[@metadata]\` can be a document id without being stored.
`.trim(),
  options: FINGERPRINT_OPTIONS,
  examples: [
    {
      title: 'One field',
      options: { source: 'message' },
      before: { message: 'hello' },
      after: { message: 'hello', fingerprint: 'aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d' },
    },
    {
      title: 'A key made of several fields',
      options: { source: ['service', 'error'], concatenate_sources: true, method: 'MURMUR3', target: 'group' },
      before: { service: 'exchange-api', error: 'timeout' },
      after: { service: 'exchange-api', error: 'timeout', group: 941300723 },
    },
    {
      title: 'The network of an address',
      options: { source: 'ip', method: 'IPV4_NETWORK', key: '16', target: 'ip' },
      before: { ip: '81.2.69.160' },
      after: { ip: '81.2.0.0' },
    },
    {
      title: 'What no fingerprint can be made of',
      options: { source: 'ip', method: 'IPV4_NETWORK', key: 24 },
      before: { ip: 'localhost' },
      after: { ip: 'localhost', tags: ['_fingerprintfailure'] },
    },
  ],
  compile(options, context) {
    const target = options.target ?? parseFieldRef(context.ecs_compatibility === 'disabled' ? 'fingerprint' : '[event][hash]')
    return compileStep(chooseFingerprint(options), target, options.tag_on_failure, context)
  },
})

/** The fingerprint of an event; `undefined` where there is nothing to make one of, FAILED where none can be made. */
type FingerprintOf = (event: Event) => Value | undefined | typeof FAILED

const FAILED = Symbol('no fingerprint can be made')

function compileStep(
  fingerprintOf: FingerprintOf,
  target: FieldRef,
  tags_on_failure: readonly string[],
  context: FilterContext,
): Step {
  const fail = (event: Event): void => {
    for (const tag of tags_on_failure) event.tag(tag)
  }
  return (event) => {
    const made = fingerprintOf(event)
    if (made === FAILED) return fail(event)
    if (made !== undefined) {
      try {
        event.set(target, made)
      } catch {
        return fail(event)
      }
    }
    context.matched(event)
  }
}

function chooseFingerprint(options: FingerprintOptions): FingerprintOf {
  if (options.method === 'UUID') return () => randomUUID()
  const hash = chooseHash(options)
  const by_name = options.source.toSorted((a, b) => compareBytes(a.text, b.text))
  if (options.method === 'PUNCTUATION') return (event) => lastOf(event, by_name, hash)
  if (options.concatenate_all_fields) return (event) => hash(joined(allFields(event))) ?? FAILED
  if (options.concatenate_sources) {
    return (event) => hash(joined(by_name.map((source) => [source.text, event.get(source) ?? null]))) ?? FAILED
  }
  const hashAny: Hash = (value) => (Array.isArray(value) ? hashEach(value, hash) : hash(value))
  return (event) => lastOf(event, options.source, hashAny)
}

/** Every source is hashed in turn, and the last one stays: one that fails spoils the event, as it stops Logstash. */
function lastOf(event: Event, sources: readonly FieldRef[], hash: Hash): Value | undefined | typeof FAILED {
  let last: Value | undefined
  for (const source of sources) {
    const value = event.get(source)
    if (value === undefined) continue
    last = hash(value)
    if (last === undefined) return FAILED
  }
  return last
}

function hashEach(values: readonly Value[], hash: Hash): Value | undefined {
  const hashes: Value[] = []
  for (const value of values) {
    const made = hash(value)
    if (made === undefined) return undefined
    hashes.push(made)
  }
  return hashes
}

function allFields(event: Event): [string, Value][] {
  return [...event.entries()].sort(([a], [b]) => compareBytes(a, b))
}

function joined(members: readonly (readonly [string, Value])[]): string {
  return `${members.map(([name, value]) => `|${name}|${sortedRubyText(value)}`).join('')}|`
}

function chooseHash({ method, key, base64encode }: FingerprintOptions): Hash {
  switch (method) {
    case 'MURMUR3':
      return (value) => mapBytes(value, murmur3, () => 8)
    case 'MURMUR3_128': {
      const encoding = base64encode ? 'base64' : 'hex'
      return (value) => mapBytes(value, (bytes) => murmur3In128Bits(bytes, 2n).toString(encoding), widthIn128Bits)
    }
    case 'IPV4_NETWORK': {
      const length = prefixLength(key)
      return (value) => (typeof value === 'string' ? networkOf(value, length) : undefined)
    }
    case 'PUNCTUATION':
      return (value) => (typeof value === 'string' ? value.replace(/[^\p{P}\p{S}]/gu, '') : undefined)
    case 'UUID':
      return () => randomUUID()
    default: {
      const algorithm = method.toLowerCase()
      const encoding = base64encode ? 'base64' : 'hex'
      const secret = key?.reveal()
      if (secret === undefined) return (value) => digest(algorithm, sortedRubyText(value), encoding)
      return (value) => createHmac(algorithm, secret).update(sortedRubyText(value)).digest(encoding)
    }
  }
}

/** Murmur takes whole numbers by their bytes, lowest first, and everything else by its text. */
function mapBytes(value: Value, hash: (bytes: Buffer) => Value, widthOf: (whole: bigint) => number): Value | undefined {
  const whole =
    typeof value === 'bigint' ? value : typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : undefined
  if (whole === undefined) return hash(Buffer.from(sortedRubyText(value)))
  if (whole < -(2n ** 63n) || whole >= 2n ** 64n) return undefined
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt.asUintN(64, whole))
  return hash(bytes.subarray(0, widthOf(whole)))
}

function widthIn128Bits(whole: bigint): number {
  return BigInt.asIntN(32, whole) === whole ? 4 : 8
}

function prefixLength(key: Secret | undefined): number {
  const text = key?.reveal() ?? ''
  const length = Number(text)
  if (/^\d{1,3}$/.test(text) && length <= 128) return length
  throw new MillraceError('OPTION_INVALID', 'method IPV4_NETWORK needs in key the length of the network prefix, such as 24')
}

/** `1.2.3.0` for `1.2.3.4`; an address may come with a prefix length of its own (`1.2.3.4/16`), of which the shorter counts. */
function networkOf(text: string, length: number): string | undefined {
  const [bare = '', own, ...more] = text.split('/')
  const address = parseAddress(bare)
  if (address === undefined || more.length > 0 || (own !== undefined && !/^\d{1,3}$/.test(own))) return undefined
  const bits = address.words.length * 32
  if (length > bits || Number(own ?? 0) > bits) return undefined
  const kept = Math.min(length, own === undefined ? bits : Number(own))
  const words = address.words.map((word, index) => maskWord(word, kept - index * 32))
  return words.length === 1 ? ipv4Text(words[0] ?? 0) : ipv6Text(words)
}

function maskWord(word: number, bits: number): number {
  if (bits <= 0) return 0
  return bits >= 32 ? word : word & (-1 << (32 - bits))
}

function ipv4Text(word: number): string {
  return [24, 16, 8, 0].map((shift) => (word >>> shift) & 255).join('.')
}

/** With its longest run of zeros left out. */
function ipv6Text(words: readonly number[]): string {
  const groups = words.flatMap((word) => [(word >>> 16).toString(16), (word & 0xffff).toString(16)])
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}
