import { isIP } from 'node:net'
import { connect } from 'node:tls'
import type { ISocketFactory, Kafka } from 'kafkajs'
import type { Log } from '../core/context.ts'
import { MillraceError } from '../core/errors.ts'
import type { ClientCertificates, ClientTlsContext } from '../network/client-tls.ts'
import type { StartCode } from '../network/pem.ts'
import { CLIENT_LOG_LEVEL, createLogCreator } from './client-log.ts'
import { type KafkaCodec, loadCodecs } from './compression.ts'
import type { ConnectionOptions } from './options.ts'
import { patchKafkajs } from './patches.ts'
import { readSasl, readTls, type SaslSettings } from './security.ts'

/** How to reach the brokers. Times in milliseconds. */
export interface ConnectionSettings {
  readonly brokers: readonly string[]
  readonly client_id: string
  readonly metadata_max_age_ms: number
  readonly request_timeout_ms: number
  readonly connection_timeout_ms: number
  readonly retry_backoff_ms: number
  readonly tls: ClientCertificates | undefined
  readonly sasl: SaslSettings | undefined
}

/** @throws MillraceError of that code for options that do not fit together */
export function readConnection(options: ConnectionOptions, context: ClientTlsContext, code: StartCode): ConnectionSettings {
  const brokers = options.bootstrap_servers
    .split(',')
    .map((broker) => broker.trim())
    .filter((broker) => broker !== '')
  const wrong = brokers.find((broker) => !/^(\[[\da-f:.]+\]|[^\s:/]+):\d{1,5}$/i.test(broker))
  if (wrong !== undefined || brokers.length === 0) {
    throw new MillraceError(code, `bootstrap_servers: expected host:port with commas between, got "${wrong ?? ''}"`)
  }
  return {
    brokers,
    client_id: options.client_id,
    metadata_max_age_ms: options.metadata_max_age_ms,
    request_timeout_ms: options.request_timeout_ms,
    connection_timeout_ms: options.connection_timeout_ms,
    retry_backoff_ms: options.retry_backoff_ms,
    tls: readTls(options, context, code),
    sasl: readSasl(options, code),
  }
}

/** kafkajs with these settings. It is loaded here and not before: it takes a quarter of a second. */
export async function createKafka(settings: ConnectionSettings, log: Log): Promise<Kafka> {
  // Node finds only some of this CommonJS module's names by itself; the default export has them all.
  const { default: kafkajs } = await import('kafkajs')
  patchKafkajs()
  const registry: { [type: number]: () => KafkaCodec } = kafkajs.CompressionCodecs
  for (const [type, codec] of Object.entries(await loadCodecs())) registry[Number(type)] = () => codec
  const { tls, sasl } = settings
  return new kafkajs.Kafka({
    brokers: [...settings.brokers],
    clientId: settings.client_id,
    connectionTimeout: settings.connection_timeout_ms,
    requestTimeout: settings.request_timeout_ms,
    // All of it, for kafkajs has other defaults where NODE_ENV is `test`.
    retry: { initialRetryTime: settings.retry_backoff_ms, maxRetryTime: 1_000, factor: 0.2, multiplier: 2, retries: 5 },
    logLevel: CLIENT_LOG_LEVEL,
    logCreator: createLogCreator(log),
    ...(tls === undefined ? {} : { ssl: tls.options, socketFactory: connectBy(tls) }),
    ...(sasl === undefined
      ? {}
      : { sasl: { mechanism: sasl.mechanism, username: sasl.username, password: sasl.password.reveal() } as never }),
  })
}

const KEEP_ALIVE_MS = 60_000

/** Makes each connection with the certificates that there are then; kafkajs would go on with the first ones. */
function connectBy(tls: ClientCertificates): ISocketFactory {
  return ({ host, port, onConnect }) => {
    const name = isIP(host) === 0 ? { servername: host } : {}
    return connect({ host, port, ...name, ...tls.options }, onConnect).setKeepAlive(true, KEEP_ALIVE_MS)
  }
}
