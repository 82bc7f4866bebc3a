import { kept } from '../core/options/kept-options.ts'
import * as option from '../core/options/options.ts'

/** What the input and the output have in common: how to reach the brokers and to log in. Logstash's names and defaults. */
export const CONNECTION_OPTIONS = {
  bootstrap_servers: option.string('Brokers to start from, `host:port` with commas between; the others are learnt from them.', {
    default: 'localhost:9092',
  }),
  client_id: option.string("Name of this client in the brokers' logs and quotas.", { default: 'logstash' }),
  metadata_max_age_ms: option.integer('How often topics, partitions and their leaders are looked up anew.', {
    default: 300_000,
    min: 100,
  }),
  request_timeout_ms: option.integer('How long a request may take before its connection counts as broken.', {
    default: 40_000,
    min: 1_000,
  }),
  connection_timeout_ms: option.integer('Ours. How long it may take to connect, TLS included.', { default: 10_000, min: 100 }),
  retry_backoff_ms: option.integer('The first wait before a failed request is sent again; doubled from then on.', {
    default: 100,
    min: 1,
  }),
  security_protocol: option.oneOf(
    'Encryption and log-in of the connections.',
    ['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'],
    {
      default: 'PLAINTEXT',
    },
  ),
  sasl_mechanism: option.oneOf('How to log in where `security_protocol` starts with SASL.', [
    'PLAIN',
    'SCRAM-SHA-256',
    'SCRAM-SHA-512',
  ]),
  sasl_jaas_config: option.secret(
    'User name and password in Java\'s form: `org.apache.kafka.common.security.plain.PlainLoginModule required username="…" password="…";`',
  ),
  ssl_truststore_location: option.path(
    "PEM file with the authorities that may have signed the brokers' certificates. Without it: the system's.",
  ),
  ssl_truststore_type: option.oneOf('The form of the truststore; found out without it.', ['PEM', 'pem']),
  ssl_keystore_location: option.path(
    'Our own certificate and key for brokers that ask for one: a PEM file with both, or PKCS #12.',
  ),
  ssl_keystore_type: option.oneOf('The form of the keystore; found out without it.', ['PEM', 'pem', 'PKCS12', 'pkcs12']),
  ssl_keystore_password: option.secret('Password of a PKCS #12 keystore.'),
  ssl_key_password: option.secret('Password of the private key in a PEM keystore.'),
  ssl_endpoint_identification_algorithm: option.oneOf(
    "Whether a broker's certificate must be for its host name (https); an empty text turns that off.",
    ['https', ''],
    { default: 'https' },
  ),
  client_dns_lookup: kept('all addresses of a name are tried'),
  connections_max_idle_ms: kept('the brokers close idle connections'),
  reconnect_backoff_ms: kept('waits grow from 1 s to 30 s'),
  receive_buffer_bytes: kept("the system's socket buffers are used"),
  send_buffer_bytes: kept("the system's socket buffers are used"),
}

export type ConnectionOptions = option.OptionValues<typeof CONNECTION_OPTIONS>

const NO_KERBEROS =
  'Kerberos (GSSAPI) is not spoken; use sasl_mechanism PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, or TLS certificates'
const NO_CALLBACKS = 'Java classes cannot be loaded here; use sasl_mechanism PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512'

/** Logstash's options of the connection that cannot be honoured, and what to do instead. */
export const REFUSED_CONNECTION_OPTIONS = {
  jaas_path: 'put the user name and password into sasl_jaas_config',
  kerberos_config: NO_KERBEROS,
  sasl_kerberos_service_name: NO_KERBEROS,
  sasl_client_callback_handler_class: NO_CALLBACKS,
  sasl_login_callback_handler_class: NO_CALLBACKS,
  sasl_login_connect_timeout_ms: NO_CALLBACKS,
  sasl_login_read_timeout_ms: NO_CALLBACKS,
  sasl_login_retry_backoff_ms: NO_CALLBACKS,
  sasl_login_retry_backoff_max_ms: NO_CALLBACKS,
  sasl_iam_jar_paths: NO_CALLBACKS,
  sasl_oauthbearer_token_endpoint_url: NO_CALLBACKS,
  sasl_oauthbearer_scope_claim_name: NO_CALLBACKS,
  ssl_truststore_password:
    'a truststore with a password is not read: write its certificates into a PEM file (keytool -exportcert -rfc) and give that as ssl_truststore_location',
}
