import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import * as fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { CertificateMaker, missing } from '../../test/helpers/certificate-maker.ts'
import { testContext } from '../../test/helpers/context.ts'
import { encodeWindow, LumberjackClient, parseAddress } from '../../test/helpers/lumberjack-client.ts'
import { buildInput, Collector, type RunningInput, startInput } from '../../test/helpers/run-input.ts'
import { type BeatsUnderTest, startBeats } from '../../test/helpers/start-beats.ts'
import { temporaryFolder } from '../../test/helpers/temporary-folder.ts'
import { waitFor } from '../../test/helpers/wait-for.ts'
import { json } from '../codecs/json.ts'
import { line } from '../codecs/line.ts'
import { plain } from '../codecs/plain.ts'
import { beats } from '../ingest/beats/beats.ts'
import { http } from '../ingest/http/http.ts'
import { tcp } from '../ingest/tcp/tcp.ts'
import { ClientNameRefused, ClientNames } from './client-names.ts'

const folder = await temporaryFolder()
afterAll(() => folder[Symbol.asyncDispose]())
const maker = new CertificateMaker(folder.path)
if (missing === undefined) {
  maker.authority('ca', 'test authority')
  maker.issue('server', 'ca', '/CN=server', 'IP:127.0.0.1')
  maker.authority('stranger', 'web1.filebeat.example.com')
}

const NAMES = [
  '*.filebeat.example.com',
  'bastion.example.com',
  '10.0.0.7',
  'FD00::7',
  'spiffe://example.com/web',
  'Web@Example.com',
]
const TLS = {
  ssl_enabled: true,
  ssl_certificate: 'server.crt',
  ssl_key: 'server.key',
  ssl_certificate_authorities: ['ca.crt'],
  ssl_client_authentication: 'required',
}
const SERVES_NAMES = { ...TLS, ssl_client_names: NAMES }

function context() {
  return testContext({ paths: { data: folder.path, config: folder.path } })
}

/** Whether a window is acknowledged; false when the connection is closed instead. */
async function isServed(input: BeatsUnderTest, options: ConnectionOptions): Promise<boolean> {
  try {
    const address = parseAddress(input.context.address() ?? '')
    await using client = await LumberjackClient.connect({ ...address, tls: { ca: maker.read('ca.crt'), ...options } })
    await client.send(encodeWindow([{ message: 'm' }]))
    await client.until(() => client.isClosed || client.answers.length === 1)
    return client.answers[0] === 1
  } catch {
    return false
  }
}

async function start(spec: unknown) {
  const collector = new Collector()
  const itsContext = context()
  const options = { host: '127.0.0.1', port: 0, ...SERVES_NAMES }
  const input = startInput(buildInput(spec, [json, plain, line], options, collector, itsContext), collector, itsContext)
  const address = parseAddress(await waitFor('the listener', () => itsContext.address()))
  return { input, address, [Symbol.asyncDispose]: () => input[Symbol.asyncDispose]() }
}

async function refusedFor(reason: string, input: RunningInput): Promise<string | undefined> {
  const name = `millrace_tls_refused_connections_total{component="test",reason="${reason}"} `
  return (await input.context.metrics.text())
    .split('\n')
    .find((row) => row.startsWith(name))
    ?.slice(name.length)
}

describe.skipIf(missing !== undefined)('names of client certificates', () => {
  test('a client is served by any of its names, and by its common name where it has no other', async () => {
    const rows: readonly (readonly [subject: string, alternatives: string | undefined, served: boolean])[] = [
      ['/CN=x', 'DNS:web1.filebeat.example.com', true],
      ['/CN=x', 'DNS:WEB1.Filebeat.Example.COM', true],
      ['/CN=x', 'DNS:*.filebeat.example.com', true],
      ['/CN=x', 'DNS:other.example.com,DNS:bastion.example.com', true],
      ['/CN=x', 'IP:10.0.0.7', true],
      ['/CN=x', 'IP:fd00:0:0:0:0:0:0:7', true],
      ['/CN=x', 'URI:spiffe://example.com/web', true],
      ['/CN=x', 'email:Web@EXAMPLE.com', true],
      ['/O=Example/CN=bastion.example.com', undefined, true],
      ['/CN=web1.filebeat.example.com', undefined, true],
      ['/CN=other.example.com/CN=bastion.example.com', undefined, true],
      // One label and not two, none, or a part of one.
      ['/CN=x', 'DNS:a.web1.filebeat.example.com', false],
      ['/CN=x', 'DNS:filebeat.example.com', false],
      ['/CN=x', 'DNS:web1filebeat.example.com', false],
      ['/CN=x', 'DNS:*.example.com', false],
      ['/CN=x', 'DNS:bastion.example.com.evil.example', false],
      // A name of one type is none of another.
      ['/CN=x', 'DNS:10.0.0.7', false],
      ['/CN=x', 'URI:bastion.example.com', false],
      ['/CN=x', 'email:web@example.com', false],
      ['/CN=x', 'URI:spiffe://example.com/WEB', false],
      ['/CN=bastion.example.com', 'DNS:other.example.com', false],
      ['/CN=bastion.example.com/CN=other.example.com', undefined, false],
      ['/O=bastion.example.com', undefined, false],
    ]
    await using input = await startBeats({ options: SERVES_NAMES, context: context() })
    const found: boolean[] = []
    for (const [subject, alternatives] of rows) {
      maker.issue('client', 'ca', subject, alternatives)
      found.push(await isServed(input, maker.identity('client')))
    }
    expect(rows.map(([subject, alternatives], at) => [subject, alternatives, found[at]])).toEqual(rows)
    const refused = rows.filter(([, , served]) => !served).length
    await waitFor('all refusals', async () => (await refusedFor('client_name', input)) === String(refused))
    expect(input.collector.events).toHaveLength(rows.length - refused)
  })

  test('the refusal is counted and says for whom the certificate is', async () => {
    maker.issue('other', 'ca', '/CN=x', 'DNS:web1.other.example.com')
    await using input = await startBeats({ options: { ...SERVES_NAMES, max_connections: 3 }, context: context() })
    expect(await isServed(input, { ...maker.identity('other'), maxVersion: 'TLSv1.2' })).toBe(false)
    expect(await isServed(input, {})).toBe(false)
    expect(await isServed(input, maker.identity('stranger'))).toBe(false)
    await waitFor('both reasons', async () => {
      return (await refusedFor('client_name', input)) === '1' && (await refusedFor('handshake', input)) === '2'
    })
    expect(await input.context.metrics.text()).toContain('connections_closed_total{input="test",reason="client_name_refused"} 1')
    expect(input.context.lines).toContainEqual(
      expect.stringMatching(
        /^warn beats_tls_handshake: refused 127\.0\.0\.1:\d+: its certificate is for "web1\.other\.example\.com"/,
      ),
    )
    expect(input.collector.events).toEqual([])
    // Refused clients leave their places to others.
    maker.issue('client', 'ca', '/CN=x', 'DNS:web1.filebeat.example.com')
    await waitFor('a place', () => isServed(input, maker.identity('client')))
  })

  test('a session that is taken up again is looked at as well', async () => {
    maker.issue('client', 'ca', '/CN=x', 'DNS:web1.filebeat.example.com')
    await using input = await startBeats({ options: SERVES_NAMES, context: context() })
    const address = parseAddress(input.context.address() ?? '')
    const options = { ca: maker.read('ca.crt'), maxVersion: 'TLSv1.2', ...maker.identity('client') } as const
    await using first = await LumberjackClient.connect({ ...address, tls: options })
    const session = (first.socket as TLSSocket).getSession()
    await using second = await LumberjackClient.connect({ ...address, tls: { ...options, session } })
    expect((second.socket as TLSSocket).isSessionReused()).toBe(true)
    await second.send(encodeWindow([{ message: 'm' }]))
    await second.until(() => second.answers.length === 1)
  })

  test('inputs http and tcp look at it too', async () => {
    maker.issue('client', 'ca', '/CN=x', 'DNS:web1.filebeat.example.com')
    maker.issue('other', 'ca', '/CN=x', 'DNS:web1.other.example.com')
    const identity = (name: string) => ({ ca: maker.read('ca.crt'), ...maker.identity(name) })

    await using overHttp = await start(http)
    const post = async (name: string): Promise<unknown> => {
      const sent = request({ ...overHttp.address, method: 'POST', ...identity(name) })
      sent.end(name)
      const [response] = (await once(sent, 'response')) as [IncomingMessage]
      response.resume()
      return response.statusCode
    }
    await expect(post('other')).rejects.toThrow()
    expect(await post('client')).toBe(200)
    expect(overHttp.input.collector.documents.map(({ message }) => message)).toEqual(['client'])

    await using overTcp = await start(tcp)
    for (const name of ['other', 'client']) {
      const socket = connect({ ...overTcp.address, ...identity(name) })
      socket.on('error', () => {})
      socket.end(`${name}\n`)
      socket.resume()
      await once(socket, 'close')
    }
    await overTcp.input.collector.until(() => overTcp.input.collector.events.length > 0)
    expect(overTcp.input.collector.documents.map(({ message }) => message)).toEqual(['client'])
    for (const { input } of [overHttp, overTcp]) {
      expect(await refusedFor('client_name', input)).toBe('1')
      const told = input.context.lines.filter((said) => said.includes('_tls_handshake'))
      expect(told).toEqual([expect.stringContaining('its certificate is for "web1.other.example.com"')])
    }
  })

  test.each([
    [{ ssl_client_authentication: 'optional' }, 'ssl_client_names needs ssl_client_authentication => required, got optional'],
    [{ ssl_client_authentication: 'none' }, 'ssl_client_names needs ssl_client_authentication => required, got none'],
    [{ ssl_enabled: false }, 'ssl_client_names needs ssl_enabled => true'],
    ...['', '*', '*.', 'web*.example.com', '*.*.example.com', 'a.*.example.com', '*.web@example.com'].map(
      (name) =>
        [
          { ssl_client_names: [name] },
          `(one label), 10.0.0.7, spiffe://example.com/web or web@example.com, got "${name}"`,
        ] as const,
    ),
  ] as const)('%j is refused', (options, message) => {
    const settings = { port: 0, ...SERVES_NAMES, ...options }
    expect(() => buildInput(beats, [json, plain, line], settings, new Collector(), context())).toThrow(message)
  })
})

test('they are for listeners only', () => {
  const options = { mode: 'client', port: 9000, ssl_client_names: NAMES }
  const build = () => buildInput(tcp, [plain, line], options, new Collector(), context())
  expect(build).toThrow('ssl_client_names is for mode server')
})

test('what one name holds is never taken for another one', () => {
  const names = new ClientNames(['bastion.example.com', '*.filebeat.example.com'], (message) => new Error(message))
  const isAdmitted = (subjectaltname: string): boolean => {
    try {
      names.check({ subjectaltname })
      return true
    } catch (thrown) {
      expect(thrown).toBeInstanceOf(ClientNameRefused)
      return false
    }
  }
  expect(isAdmitted('IP Address:10.0.0.8, DNS:bastion.example.com')).toBe(true)
  const pieces = fc.constantFrom('DNS:bastion.example.com', ', ', ',', '"', '\\', 'bastion.example.com', '\0', ' ', 'URI:', 'é')
  const values = fc.array(pieces, { maxLength: 6 }).map((parts) => parts.join(''))
  fc.assert(
    fc.property(values, fc.constantFrom('URI', 'DirName', 'othername:UPN', 'email'), (value, type) => {
      expect(isAdmitted(`${type}:${JSON.stringify(value)}, IP Address:10.0.0.8`)).toBe(false)
    }),
  )
})
