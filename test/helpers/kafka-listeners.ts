import { TEST_AUTHORITY, TEST_SERVER } from './test-certificates.ts'

/** A door of a broker beside PLAINTEXT. */
export interface KafkaListener {
  /** Letters only. */
  readonly name: string
  readonly protocol: 'PLAINTEXT' | 'SASL_SSL'
  readonly port: number
  /** Where clients are told to come: a proxy's port. Default: its own. */
  readonly advertised_port?: number
  /** The broker's settings below `listener.name.NAME.`. */
  readonly settings?: Readonly<Record<string, string>>
}

/** TLS that asks for client certificates of the test authority, then SCRAM-SHA-512. */
export function secureListener(port: number): KafkaListener {
  return {
    name: 'SECURE',
    protocol: 'SASL_SSL',
    port,
    settings: {
      'sasl.enabled.mechanisms': 'SCRAM-SHA-512',
      'scram-sha-512.sasl.jaas.config': 'org.apache.kafka.common.security.scram.ScramLoginModule required;',
      'ssl.client.auth': 'required',
      'ssl.keystore.type': 'PEM',
      'ssl.keystore.certificate.chain': oneLine(TEST_SERVER.cert),
      'ssl.keystore.key': oneLine(TEST_SERVER.key),
      'ssl.truststore.type': 'PEM',
      'ssl.truststore.certificates': oneLine(TEST_AUTHORITY),
    },
  }
}

/** What a broker with these listeners beside PLAINTEXT is told, name -> value. */
export function listenerSettings(
  port: number,
  controller_port: number,
  listeners: readonly KafkaListener[],
): Record<string, string> {
  const plain: KafkaListener = { name: 'PLAINTEXT', protocol: 'PLAINTEXT', port }
  const controller: KafkaListener = { name: 'CONTROLLER', protocol: 'PLAINTEXT', port: controller_port }
  const doors = [plain, ...listeners]
  const own = doors.flatMap(({ name, settings = {} }) =>
    Object.entries(settings).map(([key, value]) => [`listener.name.${name.toLowerCase()}.${key}`, value]),
  )
  return {
    listeners: [...doors, controller].map((door) => `${door.name}://127.0.0.1:${door.port}`).join(),
    'advertised.listeners': doors.map((door) => `${door.name}://127.0.0.1:${door.advertised_port ?? door.port}`).join(),
    'listener.security.protocol.map': [controller, ...doors].map(({ name, protocol }) => `${name}:${protocol}`).join(),
    ...Object.fromEntries(own),
  }
}

/** As values of properties files have it. */
function oneLine(pem: string): string {
  return pem.trimEnd().replaceAll('\n', '\\n')
}
