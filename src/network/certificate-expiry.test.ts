import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createServer } from 'node:tls'
import { expect, test } from 'vitest'
import { testContext } from '../../test/helpers/context.ts'
import { temporaryFolder } from '../../test/helpers/temporary-folder.ts'
import { TEST_AUTHORITY, TEST_CLIENT, TEST_CLIENT_PKCS12, TEST_SERVER } from '../../test/helpers/test-certificates.ts'
import { Secret } from '../core/secret.ts'
import { showExpiry } from './certificate-expiry.ts'
import { followCertificates } from './certificates.ts'
import { readClientTls } from './client-tls.ts'
import { readServerTls, type ServerTls } from './server-tls.ts'

const LISTENER: ServerTls = {
  ssl_enabled: true,
  ssl_certificate: undefined,
  ssl_key: undefined,
  ssl_key_passphrase: undefined,
  ssl_certificate_authorities: [],
  ssl_client_authentication: 'none',
  ssl_handshake_timeout: 10_000,
  ssl_supported_protocols: [],
  ssl_cipher_suites: [],
}
const EXPIRY = Date.UTC(2120, 0, 1) / 1_000

test('each file with certificates shows when the first of them expires', async () => {
  await using folder = await temporaryFolder()
  const path = (name: string): string => join(folder.path, name)
  await writeFile(path('client.crt'), `${TEST_CLIENT.cert}${TEST_AUTHORITY}`)
  await writeFile(path('client.key'), TEST_CLIENT.key)
  await writeFile(path('ca.crt'), TEST_AUTHORITY)
  const context = testContext({ paths: { data: folder.path, config: folder.path } })
  const options = { ssl_certificate: 'client.crt', ssl_key: 'client.key', ssl_certificate_authorities: ['ca.crt'] }
  readClientTls({ ...options, ssl_verification_mode: 'full' }, context, 'OUTPUT_CANNOT_START')
  const shown = (await context.metrics.text()).split('\n').filter((line) => line.startsWith('millrace_certificate'))
  expect(shown.sort()).toEqual(
    ['ca.crt', 'client.crt'].map(
      (name) => `millrace_certificate_expiry_time_seconds{component="test",file="${path(name)}"} ${EXPIRY}`,
    ),
  )
})

test('of a PKCS #12 file the certificate that belongs to the key, where its password is right', async () => {
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'client.p12')
  await writeFile(file, TEST_CLIENT_PKCS12)
  const context = testContext({ paths: { data: folder.path, config: folder.path } })
  const ssl_keystore_password = new Secret('changeit')
  readClientTls({ ssl_keystore_path: file, ssl_keystore_password, ssl_verification_mode: 'full' }, context, 'OUTPUT_CANNOT_START')
  const shown = `millrace_certificate_expiry_time_seconds{component="test",file="${file}"} ${EXPIRY}`
  expect(await context.metrics.text()).toContain(shown)

  const locked = testContext()
  const others = [file, TEST_SERVER.key, 'neither'].map(
    (name) => [name, Buffer.from(name === file ? TEST_CLIENT_PKCS12 : name)] as const,
  )
  showExpiry(() => new Map(others), locked)
  expect(await locked.metrics.text()).not.toContain('millrace_certificate')
})

test('a listener shows it too', async () => {
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'server.p12')
  await writeFile(file, TEST_CLIENT_PKCS12)
  const context = testContext()
  const options = { ...LISTENER, ssl_keystore_path: file, ssl_keystore_password: new Secret('changeit') }
  const tls = readServerTls(options, folder.path, 'INPUT_CANNOT_START')
  if (tls === undefined) throw new Error('expected certificates')
  const server = createServer(tls.options)
  followCertificates(server, tls, 'test', context)
  expect(await context.metrics.text()).toContain(`file="${file}"} ${EXPIRY}`)
  server.listen(0).close()
  await once(server, 'close')
})

test('what is shown follows a file that is renewed', async () => {
  const context = testContext()
  let contents = new Map([['server.crt', Buffer.from(TEST_CLIENT.cert)]])
  showExpiry(() => contents, context)
  expect(await context.metrics.text()).toContain(`{component="test",file="server.crt"} ${EXPIRY}`)
  contents = new Map()
  expect(await context.metrics.text()).toMatch(/\{component="test",file="server.crt"\} NaN/i)
})
