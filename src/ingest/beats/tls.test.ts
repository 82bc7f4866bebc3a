import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ConnectionOptions } from 'node:tls'
import { afterAll, describe, expect, test } from 'vitest'
import { CertificateMaker, missing } from '../../../test/helpers/certificate-maker.ts'
import { testContext } from '../../../test/helpers/context.ts'
import { encodeWindow, LumberjackClient, parseAddress } from '../../../test/helpers/lumberjack-client.ts'
import { type BeatsUnderTest, startBeats } from '../../../test/helpers/start-beats.ts'

const folder = mkdtempSync(join(tmpdir(), 'millrace-beats-tls-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** An authority, a server and a client certificate below it, and a client that nobody knows. */
function makeCertificates(): void {
  const maker = new CertificateMaker(folder)
  maker.authority('ca', 'test authority')
  maker.issue('server', 'ca', '/CN=server', 'IP:127.0.0.1')
  maker.issue('client', 'ca', '/O=Example/CN=web1')
  maker.authority('stranger', 'stranger')
  maker.lock('server.key', 'server-locked.key', 'opensesame')
}

if (missing === undefined) makeCertificates()
else console.warn(`TLS tests of the beats input skipped: ${missing}`)

const SERVER = { ssl_enabled: true, ssl_certificate: 'server.crt', ssl_key: 'server.key' }
const AUTHORITY = { ssl_certificate_authorities: ['ca.crt'] }

function startTls(options: { readonly [name: string]: unknown }): Promise<BeatsUnderTest> {
  return startBeats({ options: { ...SERVER, ...options }, context: testContext({ paths: { data: folder, config: folder } }) })
}

const file = (name: string): Buffer => readFileSync(join(folder, name))

function connect(input: BeatsUnderTest, options: ConnectionOptions = {}): Promise<LumberjackClient> {
  const address = parseAddress(input.context.address() ?? '')
  return LumberjackClient.connect({ ...address, tls: { ca: file('ca.crt'), ...options } })
}

/** Whether a window is acknowledged; false when the connection is closed instead. TLS 1.3 clients are refused after their handshake. */
async function isServed(input: BeatsUnderTest, options: ConnectionOptions = {}): Promise<boolean> {
  try {
    await using client = await connect(input, options)
    await client.send(encodeWindow([{ message: 'm' }, { message: 'n' }]))
    await client.until(() => client.isClosed || client.answers.length === 1)
    return client.answers[0] === 2
  } catch {
    return false
  }
}

const CLIENT = (name: string): ConnectionOptions => ({ cert: file(`${name}.crt`), key: file(`${name}.key`) })

describe.skipIf(missing !== undefined)('over TLS', () => {
  test('windows are acknowledged as without', async () => {
    await using input = await startTls({})
    expect(await isServed(input)).toBe(true)
    expect(await isServed(input, { maxVersion: 'TLSv1.2' })).toBe(true)
  })

  test('a large window comes through in both directions of chunking', async () => {
    await using input = await startTls({})
    await using client = await connect(input)
    const bytes = encodeWindow(
      Array.from({ length: 3000 }, (_, index) => ({ message: `line ${index} ${Math.sin(index)}` })),
      { level: 0 },
    )
    await client.sendPieces(bytes.subarray(0, 2_000), 3)
    await client.send(bytes.subarray(2_000))
    await client.until(() => client.answers.length === 1)
    expect(client.answers).toEqual([3000])
    client.socket.end()
    await client.until(() => client.isClosed)
  })

  test('a client without a certificate, or with one of a stranger, is refused where it is required', async () => {
    await using input = await startTls({ ...AUTHORITY, ssl_client_authentication: 'required', enrich: ['all'] })
    expect(await isServed(input)).toBe(false)
    expect(await isServed(input, CLIENT('stranger'))).toBe(false)
    expect(await isServed(input, { ...CLIENT('client'), maxVersion: 'TLSv1.2' })).toBe(true)
    expect(await isServed(input, CLIENT('client'))).toBe(true)
    expect(input.collector.events).toHaveLength(4)
    expect(input.collector.events[3]?.metadata).toMatchObject({
      ip_address: '127.0.0.1',
      tls_peer: { status: 'verified', protocol: 'TLSv1.3', subject: 'CN=web1,O=Example', cipher_suite: 'TLS_AES_256_GCM_SHA384' },
    })
    expect(input.context.lines).toContainEqual(
      expect.stringContaining('the client sent no certificate, but ssl_client_authentication requires one'),
    )
  })

  test('certificates are looked at but not required where they are optional', async () => {
    await using input = await startTls({ ...AUTHORITY, ssl_verify_mode: 'peer', ssl_peer_metadata: true })
    expect(await isServed(input)).toBe(true)
    expect(await isServed(input, CLIENT('client'))).toBe(true)
    expect(input.collector.events.map(({ metadata }) => metadata['tls_peer'])).toMatchObject([
      { status: 'unverified' },
      { status: 'unverified' },
      { status: 'verified' },
      { status: 'verified' },
    ])
    expect(input.context.lines).toContainEqual(expect.stringContaining('beats.ssl_verify_mode is an old option'))
  })

  test('old option names are taken, with a warning', async () => {
    await using input = await startTls({
      ssl_enabled: undefined,
      ssl: true,
      tls_min_version: 1.3,
      cipher_suites: ['TLS_AES_128_GCM_SHA256'],
    })
    expect(await isServed(input, { maxVersion: 'TLSv1.2' })).toBe(false)
    expect(await isServed(input)).toBe(true)
    expect(input.context.lines).toContainEqual(expect.stringContaining('beats.ssl is the old name of ssl_enabled'))
    expect(input.context.lines).toContainEqual(expect.stringContaining('beats.tls_min_version is an old option'))
  })

  test("cipher suites are taken by Java's names", async () => {
    await using input = await startTls({
      ssl_supported_protocols: 'TLSv1.2',
      ssl_cipher_suites: 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
    })
    expect(await isServed(input, { ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' })).toBe(true)
    expect(await isServed(input, { ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384' })).toBe(false)
  })

  test('a key may have a passphrase', async () => {
    await using input = await startTls({ ssl_key: 'server-locked.key', ssl_key_passphrase: 'opensesame' })
    expect(await isServed(input)).toBe(true)
    await expect(startTls({ ssl_key: 'server-locked.key', ssl_key_passphrase: 'wrong' })).rejects.toThrow('do not work together')
  })

  test('a client that speaks plain Lumberjack or HTTP is refused with what to do', async () => {
    await using input = await startTls({})
    for (const bytes of [encodeWindow([{ a: 1 }]), Buffer.from('GET / HTTP/1.1\r\n\r\n')]) {
      const client = await input.connect()
      await client.send(bytes)
      // What a TLS server sends to such a client is an alert, no answer of ours.
      client.socket.removeAllListeners('data')
      await client.until(() => client.isClosed)
    }
    await input.collector.until(
      () => input.context.lines.filter((line) => line.startsWith('warn beats_tls_handshake')).length === 2,
    )
    expect(input.context.lines).toContainEqual(
      expect.stringContaining('the client does not speak TLS: is ssl enabled on this side only?'),
    )
    expect(input.context.lines).toContainEqual(expect.stringContaining('looks like HTTP'))
    expect(await isServed(input)).toBe(true)
  })

  test('a client that never shakes hands is disconnected, and does not hold up the end', async () => {
    await using input = await startTls({ ssl_handshake_timeout: 50 })
    const { host, port } = parseAddress(input.context.address() ?? '')
    const silent = connectTcp({ host, port })
    silent.on('error', () => {})
    await input.collector.until(() => input.context.lines.some((line) => line.includes('longer than ssl_handshake_timeout')))
    await using slow = await startTls({})
    const other = connectTcp(parseAddress(slow.context.address() ?? ''))
    other.on('error', () => {})
    await new Promise((resolve) => {
      other.once('connect', resolve)
    })
    await slow.stop()
    silent.destroy()
    other.destroy()
  })
})

test.each([
  [{ ssl_enabled: true }, 'ssl_enabled needs both ssl_certificate and ssl_key'],
  [{ ...SERVER, ssl_client_authentication: 'required' }, 'needs ssl_certificate_authorities'],
  [{ ...SERVER, ssl_supported_protocols: ['TLSv1.1'] }, 'ssl_supported_protocols takes TLSv1.2 and TLSv1.3, got TLSv1.1'],
  [{ ...SERVER, ssl_certificate: 'nowhere.crt' }, 'ssl_certificate can not be read: ENOENT'],
])('settings that do not fit together are refused: %j', async (options, message) => {
  await expect(startBeats({ options })).rejects.toThrow(message)
})
