import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createServer, type TLSSocket } from 'node:tls'
import { afterAll, describe, expect, test } from 'vitest'
import { buildOutput, eventOf } from '../../test/helpers/build-output.ts'
import { CertificateMaker, missing } from '../../test/helpers/certificate-maker.ts'
import { type TestContext, testContext } from '../../test/helpers/context.ts'
import { buildInput, Collector } from '../../test/helpers/run-input.ts'
import { temporaryFolder } from '../../test/helpers/temporary-folder.ts'
import { waitFor } from '../../test/helpers/wait-for.ts'
import { json } from '../codecs/json.ts'
import { line } from '../codecs/line.ts'
import { plain } from '../codecs/plain.ts'
import { kafka as kafkaInput } from '../ingest/kafka/kafka.ts'
import { tcp as tcpInput } from '../ingest/tcp/tcp.ts'
import { elasticsearch } from '../sinks/elasticsearch/elasticsearch.ts'
import { http } from '../sinks/http/http.ts'
import { kafka } from '../sinks/kafka/kafka.ts'
import { tcp } from '../sinks/tcp/tcp.ts'

const folder = await temporaryFolder()
afterAll(() => folder[Symbol.asyncDispose]())
const maker = new CertificateMaker(folder.path)

/** Hangs up on whoever connects, and keeps the serial numbers of their certificates. */
class Doorkeeper {
  readonly serials = new Set<string>()
  readonly #server = createServer({ ...maker.identity('server'), ca: maker.read('ca.crt'), requestCert: true }, (socket) =>
    this.#connected(socket),
  )

  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return (this.#server.address() as AddressInfo).port
  }

  async close(): Promise<void> {
    this.#server.close()
    await once(this.#server, 'close')
  }

  #connected(socket: TLSSocket): void {
    this.serials.add(socket.getPeerCertificate().serialNumber)
    socket.on('error', () => {})
    socket.destroy()
  }
}

const AUTHORITY = { ssl_certificate_authorities: ['ca.crt'] }
const IDENTITY = { ssl_certificate: 'client.crt', ssl_key: 'client.key' }
const KAFKA_FILES = { ssl_truststore_location: 'ca.crt', ssl_keystore_location: 'client.pem' }
const KAFKA = { security_protocol: 'SSL', ...KAFKA_FILES, retry_backoff_ms: 50 }

/** Components that connect to `127.0.0.1:port` and try again. */
const COMPONENTS: readonly (readonly [
  section: 'input' | 'output',
  spec: { readonly name: string },
  options: (port: number) => { readonly [name: string]: unknown },
])[] = [
  ['input', tcpInput, (port) => ({ mode: 'client', host: '127.0.0.1', port, ssl_enabled: true, ...AUTHORITY, ...IDENTITY })],
  ['input', kafkaInput, (port) => ({ bootstrap_servers: `127.0.0.1:${port}`, topics: ['t'], ...KAFKA })],
  ['output', tcp, (port) => ({ host: '127.0.0.1', port, ssl_enabled: true, ...AUTHORITY, ...IDENTITY })],
  ['output', kafka, (port) => ({ bootstrap_servers: `127.0.0.1:${port}`, topic_id: 't', ...KAFKA })],
  ['output', http, (port) => ({ url: `https://127.0.0.1:${port}/`, http_method: 'post', ...AUTHORITY, ...IDENTITY })],
  ['output', elasticsearch, (port) => ({ hosts: [`https://127.0.0.1:${port}`], ...AUTHORITY, ...IDENTITY })],
]

async function makeClient(): Promise<string> {
  maker.issue('client', 'ca', '/CN=client')
  await writeFile(join(folder.path, 'client.pem'), Buffer.concat([maker.read('client.crt'), maker.read('client.key')]))
  return new X509Certificate(maker.read('client.crt')).serialNumber
}

interface Connecting {
  readonly name: string
  readonly context: TestContext
  /** What it showed. */
  readonly serials: Set<string>
  /** The files for which the pipeline would be made anew. */
  readonly read: readonly string[]
  readonly ended: Promise<void>
}

/** Has a component connect again and again, until it is told to stop. */
async function start(
  section: 'input' | 'output',
  spec: { readonly name: string },
  options: (port: number) => { readonly [name: string]: unknown },
  stop: AbortSignal,
): Promise<Connecting> {
  const read: string[] = []
  const context = testContext({
    paths: { data: folder.path, config: folder.path },
    files: { reads: (path) => read.push(path) },
  })
  const doorkeeper = new Doorkeeper()
  const made = options(await doorkeeper.listen())
  const ended = (async () => {
    await run(section, spec, made, context, stop)
    await doorkeeper.close()
  })()
  return { name: `${section} ${spec.name}`, context, serials: doorkeeper.serials, read, ended }
}

async function run(
  section: 'input' | 'output',
  spec: unknown,
  options: { readonly [name: string]: unknown },
  context: TestContext,
  stop: AbortSignal,
): Promise<void> {
  if (section === 'input') {
    const source = buildInput(spec, [json, line, plain], options, new Collector(), context)
    return await source.run(() => Promise.reject(new Error('nothing comes')), stop, stop)
  }
  const sink = buildOutput(spec, [json, plain], options, context)
  await sink.open(stop).catch(() => {})
  while (!stop.aborted) {
    await sink.write([eventOf('{}')], stop).catch(() => {})
    await delay(50)
  }
  await sink.close()
}

describe.skipIf(missing !== undefined)('certificates that are renewed', () => {
  if (missing === undefined) {
    maker.authority('ca', 'test authority')
    maker.issue('server', 'ca', '/CN=server', 'IP:127.0.0.1')
  }

  test('are used by whatever connects, from then on; those that are broken are not', async () => {
    const first = await makeClient()
    const stop = new AbortController()
    const running = await Promise.all(COMPONENTS.map(([section, spec, options]) => start(section, spec, options, stop.signal)))
    const each = (what: string, holds: (component: Connecting) => boolean | Promise<boolean>): Promise<unknown> =>
      Promise.all(running.map((component) => waitFor(`${what} of ${component.name}`, () => holds(component))))
    await each('the first certificate', ({ serials }) => serials.has(first))

    for (const file of ['client.crt', 'client.pem']) await writeFile(join(folder.path, file), '-----BEGIN nothing')
    const refused = 'millrace_certificate_renewals_total{component="test",result="refused"} 1'
    await each('the complaint', async ({ context }) => (await context.metrics.text()).includes(refused))
    for (const { serials, context } of running) {
      expect(context.lines.filter((said) => said.includes('so the old ones are'))).toEqual([
        expect.stringMatching(/^error \w+_certificates: test:1:1: the new certificates cannot be used/),
      ])
      serials.clear()
    }
    await each('the old certificate', ({ serials }) => serials.has(first))

    const second = await makeClient()
    await each('the new certificate', ({ serials }) => serials.has(second))
    stop.abort()
    for (const { context, read, ended } of running) {
      await ended
      expect(await context.metrics.text()).toContain('renewals_total{component="test",result="used"} 1')
      // The pipeline is not made anew for them.
      expect(read.filter((path) => /ca\.crt|client/.test(path))).toEqual([])
    }
  })
})
