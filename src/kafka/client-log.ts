import type { logCreator } from 'kafkajs'
import type { Log } from '../core/context.ts'

/** kafkajs' levels. */
const ERROR = 1
const WARN = 2
/** kafkajs' level for "all but debug", to be given to its constructor. */
export const CLIENT_LOG_LEVEL = 4

interface Rule {
  readonly pattern: RegExp
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly kind: string
}

/**
 * kafkajs logs as ERROR what it then mends by itself. A crash is told by the input, with what to do, so its line is for
 * debugging only. The first rule that fits counts.
 */
const RULES: readonly Rule[] = [
  { pattern: /offset out of range/i, level: 'error', kind: 'kafka_offset_out_of_range' },
  { pattern: /Crash|Restarting the consumer|Failed to execute listener|authenticat/i, level: 'debug', kind: 'kafka_crash' },
  { pattern: /rebalanc|rejoin|coordinator|not aware of this member|generation id/i, level: 'info', kind: 'kafka_group' },
  { pattern: /connection|ECONN|socket|seed broker|timed out/i, level: 'info', kind: 'kafka_connection' },
]

/** Brings kafkajs' log lines into ours, with levels that mean what ours mean. */
export function createLogCreator(log: Log): logCreator {
  return () => (entry) => {
    const { message, error, broker } = entry.log
    const cause = typeof error === 'string' && error !== message ? `: ${error}` : ''
    const text = `kafkajs: ${message}${cause}${typeof broker === 'string' ? ` (broker ${broker})` : ''}`
    const level: number = entry.level
    const rule = level <= WARN ? RULES.find(({ pattern }) => pattern.test(text)) : undefined
    if (rule !== undefined) log[rule.level](rule.kind, text)
    else if (level === ERROR) log.warn('kafka_client', text)
    else log.debug('kafka_client', text)
  }
}

/** What went wrong between the brokers and us, and what to tell. */
interface Trouble {
  readonly kind: string
  /** `info` passes by itself within seconds, `warn` when the brokers are there again, `error` only by a person's hand. */
  readonly level: 'info' | 'warn' | 'error'
  readonly message: string
}

export interface Cause {
  readonly type: string
  readonly name: string
  readonly code: string
  readonly message: string
}

const CAUSES_MAX = 8

/** The error and what is inside it, outermost first. kafkajs wraps once for each retry. */
export function causesOf(thrown: unknown): Cause[] {
  const causes: Cause[] = []
  let inner = thrown
  while (inner instanceof Error && causes.length < CAUSES_MAX) {
    const { type = '', code = '' } = inner as Error & { readonly type?: string; readonly code?: string | number }
    causes.push({ type, code: String(code), name: inner.name, message: inner.message })
    inner = inner.cause
  }
  return causes
}

const ADVICE: readonly { readonly fits: (cause: Cause) => boolean; readonly kind: string; readonly advice: string }[] = [
  {
    fits: ({ name, type }) => name.includes('SASL') || type === 'SASL_AUTHENTICATION_FAILED',
    kind: 'kafka_authentication',
    advice: 'check security_protocol, sasl_mechanism and the user name and password in sasl_jaas_config',
  },
  {
    fits: ({ type }) => type.endsWith('AUTHORIZATION_FAILED'),
    kind: 'kafka_authorization',
    advice: 'grant this user READ and DESCRIBE on the topic and READ on the group, or WRITE on the topic for an output',
  },
  {
    fits: ({ type }) => type === 'INCONSISTENT_GROUP_PROTOCOL',
    kind: 'kafka_group_protocol',
    advice: 'another program with another assignment strategy is in this group: stop it first, or take another group_id',
  },
  {
    fits: ({ type }) => type === 'INVALID_SESSION_TIMEOUT',
    kind: 'kafka_session_timeout',
    advice: "set session_timeout_ms between the brokers' group.min.session.timeout.ms and group.max.session.timeout.ms",
  },
  {
    fits: ({ code, message }) =>
      /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)|EPROTO/.test(code) || /certificate|SSL routines/.test(message),
    kind: 'kafka_tls',
    advice:
      "check security_protocol, that ssl_truststore_location (PEM) holds the authority that signed the brokers' certificates, and, where brokers ask for a client certificate, ssl_keystore_location",
  },
]

/** What a broker answers for the first seconds of its life. kafkajs gives up on it when it joins. */
const COORDINATOR_STARTS = new Set(['GROUP_LOAD_IN_PROGRESS', 'GROUP_COORDINATOR_NOT_AVAILABLE', 'NOT_COORDINATOR_FOR_GROUP'])

/** Reads whatever the client threw. `brokers` is for the message. */
export function describeTrouble(
  thrown: unknown,
  brokers: string,
  doing: 'reading from' | 'writing to' = 'reading from',
): Trouble {
  const causes = causesOf(thrown)
  const innermost = causes.at(-1)?.message ?? String(thrown)
  if (causes.some(({ type }) => COORDINATOR_STARTS.has(type))) {
    return { kind: 'kafka_coordinator', level: 'info', message: `Kafka at ${brokers} is not ready yet: ${innermost}` }
  }
  for (const { fits, kind, advice } of ADVICE) {
    const cause = causes.find(fits)
    if (cause !== undefined) return { kind, level: 'error', message: `Kafka at ${brokers} refuses: ${cause.message}; ${advice}` }
  }
  if (
    causes.some(
      ({ name, code }) =>
        /Connection|NoBroker|BrokerNotFound/.test(name) || /^(ECONN|ENOTFOUND|EAI_|EHOST|ENET|ETIMEDOUT)/.test(code),
    )
  ) {
    const kept = doing === 'writing to' ? 'the events wait' : 'what was read is kept, and reading goes on where it was'
    const advice = `start it, or correct bootstrap_servers; ${kept}`
    return {
      kind: 'kafka_unreachable',
      level: 'warn',
      message: `cannot reach Kafka at ${brokers}: ${innermost}; ${advice}`,
    }
  }
  return { kind: 'kafka_fault', level: 'warn', message: `${doing} Kafka at ${brokers} failed: ${innermost}` }
}
