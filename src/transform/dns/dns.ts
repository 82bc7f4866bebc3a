import { isIP } from 'node:net'
import { resolve as resolvePath } from 'node:path'
import { defineFilter } from '../../core/component.ts'
import type { FilterContext } from '../../core/contracts.ts'
import { MillraceError, messageOf } from '../../core/errors.ts'
import type { Event } from '../../core/event.ts'
import type { FieldRef } from '../../core/field-ref.ts'
import * as option from '../../core/options/options.ts'
import type { Value } from '../../core/values.ts'
import { Hosts } from './hosts-file.ts'
import { machineNameServers, type NameServers, nameServers } from './name-servers.ts'
import { CachingResolver, type Question } from './resolver.ts'

const SYSTEM_HOSTS = '/etc/hosts'
const CACHE_MAX = 10_000_000

const DNS_OPTIONS = {
  resolve: option.fieldRefs('Fields with host names, to look up their addresses.'),
  reverse: option.fieldRefs('Fields with IP addresses, to look up their names. They come after `resolve`.'),
  action: option.oneOf('Whether what was found is appended to the value or replaces it.', ['append', 'replace'], {
    default: 'append',
  }),
  nameserver: nameServers(
    "Name servers to ask: an address, several, or `{ address => [...] search => [...] ndots => 1 }`. An address may have a port. Default: the machine's.",
  ),
  timeout: option.number('Seconds to wait for an answer, each time.', { default: 0.5, min: 0.001 }),
  max_retries: option.integer('How often to ask again where no answer came.', { default: 2, min: 0, max: 100 }),
  hit_cache_size: option.integer('Answers to keep. 0: none.', { default: 0, min: 0, max: CACHE_MAX }),
  hit_cache_ttl: option.number('Seconds to keep an answer.', { default: 60, min: 0 }),
  failed_cache_size: option.integer('Failures to keep, which are not asked for again meanwhile. 0: none.', {
    default: 0,
    min: 0,
    max: CACHE_MAX,
  }),
  failed_cache_ttl: option.number('Seconds to keep a failure.', { default: 5, min: 0 }),
  hostsfile: option.list(
    'Files like /etc/hosts to look in first. Without `nameserver` they and /etc/hosts are all that is looked in, as in Logstash.',
  ),
  tag_on_timeout: option.list('Tags of an event for which no answer came in time.', { default: ['_dnstimeout'] }),
  warn_on_timeout: option.boolean('Whether that is a warning in the log.', { default: false }),
}

type DnsOptions = option.OptionValues<typeof DNS_OPTIONS>

/** What is to be done to an event, found out before. */
interface Findings {
  readonly changes: Map<FieldRef, Value>
  is_complete: boolean
  is_timeout: boolean
}

export const dns = defineFilter({
  name: 'dns',
  summary: 'Looks up the addresses of host names and the names of addresses.',
  description: `
The events of a batch are looked up side by side, at most 64 questions at a time, and the same question once: one slow
answer does not hold up all the others, as it does in Logstash. Set \`hit_cache_size\` and \`failed_cache_size\` all the same.

A name that has an IPv4 address gets that one. A field that is missing is passed over; one that holds no text, no address
(\`reverse\`) or more than one value, and one that nothing is found for, ends the work on the event: fields before it stay changed, and
\`add_tag\` and the like do not act.
`.trim(),
  options: DNS_OPTIONS,
  examples: [
    {
      title: 'An address is its own answer',
      options: { resolve: ['host'], action: 'replace', nameserver: '127.0.0.1', add_tag: ['resolved'] },
      before: { host: '192.0.2.1' },
      after: { host: '192.0.2.1', tags: ['resolved'] },
    },
    {
      title: 'What is no address has no name',
      options: { reverse: ['ip'], nameserver: '127.0.0.1', add_tag: ['named'] },
      before: { ip: 'unknown' },
      after: { ip: 'unknown' },
    },
  ],
  async compile(options, context) {
    const resolver = new CachingResolver(
      {
        servers: await chooseServers(options),
        hosts: await readHosts(options.hostsfile, context),
        timeout_ms: options.timeout * 1000,
        max_retries: options.max_retries,
        hit_cache: { size: options.hit_cache_size, ttl_ms: options.hit_cache_ttl * 1000 },
        failed_cache: { size: options.failed_cache_size, ttl_ms: options.failed_cache_ttl * 1000 },
      },
      context.id,
      context.metrics,
    )
    const found = new WeakMap<Event, Findings>()
    return {
      prepare: async (events, signal) => {
        const cancel = (): void => resolver.cancel()
        signal.addEventListener('abort', cancel, { once: true })
        try {
          const looking = Promise.all(
            events.map(async (event) => found.set(event, await lookUp(event, options, resolver, context))),
          )
          await untilAborted(looking, signal)
        } finally {
          signal.removeEventListener('abort', cancel)
        }
      },
      step: (event) => {
        const findings = found.get(event)
        if (findings === undefined) return
        found.delete(event)
        apply(event, findings, options, context)
      },
      close: () => resolver.cancel(),
    }
  },
})

/** Questions that were taken out of the queue never get an answer. */
async function untilAborted(work: Promise<unknown>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const abort = (): void => reject(signal.reason as Error)
  signal.addEventListener('abort', abort, { once: true })
  try {
    await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

async function chooseServers({ nameserver, hostsfile }: DnsOptions): Promise<NameServers | undefined> {
  if (nameserver !== undefined) return nameserver
  return hostsfile === undefined ? machineNameServers() : undefined
}

async function readHosts(files: readonly string[] | undefined, context: FilterContext): Promise<Hosts[]> {
  const system = await Hosts.read([SYSTEM_HOSTS]).catch(() => Hosts.read([]))
  if (files === undefined) return [system]
  try {
    return [...(await Promise.all(files.map((file) => Hosts.read([resolvePath(context.paths.config, file)])))), system]
  } catch (thrown) {
    throw new MillraceError('OPTION_INVALID', `hostsfile: ${messageOf(thrown)}`, { cause: thrown })
  }
}

async function lookUp(event: Event, options: DnsOptions, resolver: CachingResolver, context: FilterContext): Promise<Findings> {
  const findings: Findings = { changes: new Map(), is_complete: true, is_timeout: false }
  const questions: readonly (readonly [Question, FieldRef])[] = [
    ...(options.resolve ?? []).map((field) => ['resolve', field] as const),
    ...(options.reverse ?? []).map((field) => ['reverse', field] as const),
  ]
  for (const [question, field] of questions) {
    const value = findings.changes.get(field) ?? event.get(field)
    if (value === undefined || value === null) {
      context.log.warn('dns_missing', `${context.where}: dns has nothing to look up: an event has no ${field.text}`)
      continue
    }
    const text = Array.isArray(value) && value.length === 1 ? value[0] : value
    if (typeof text !== 'string' || (question === 'reverse' && isIP(text) === 0)) {
      findings.is_complete = false
      return findings
    }
    const answer = await resolver.ask(question, text)
    if (answer.kind !== 'found') {
      findings.is_complete = false
      findings.is_timeout = answer.kind === 'timeout'
      return findings
    }
    if (options.action === 'append') findings.changes.set(field, [text, answer.text])
    else findings.changes.set(field, Array.isArray(value) ? [answer.text] : answer.text)
  }
  return findings
}

function apply(event: Event, findings: Findings, options: DnsOptions, context: FilterContext): void {
  for (const [field, value] of findings.changes) event.set(field, value)
  if (findings.is_timeout) {
    for (const tag of options.tag_on_timeout) event.tag(tag)
    const message = `${context.where}: dns got no answer within ${options.timeout} s`
    if (options.warn_on_timeout) context.log.warn('dns_timeout', message)
    else context.log.info('dns_timeout', message)
  }
  if (findings.is_complete) context.matched(event)
}
