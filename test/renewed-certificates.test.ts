import { X509Certificate } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readSamples, settledBooks } from './helpers/books.ts'
import { CertificateMaker, missing } from './helpers/certificate-maker.ts'
import { freePort } from './helpers/free-port.ts'
import { encodeWindow, LumberjackClient } from './helpers/lumberjack-client.ts'
import { Program } from './helpers/program.ts'
import { startStubElasticsearch } from './helpers/stub-elasticsearch.ts'
import { temporaryFolder } from './helpers/temporary-folder.ts'
import { waitFor } from './helpers/wait-for.ts'

const WINDOW_EVENTS = 50

test.skipIf(missing !== undefined)(
  'an output goes on with new certificates, nothing is lost and no connection of an input closed',
  async () => {
    await using folder = await temporaryFolder()
    const maker = new CertificateMaker(folder.path)
    const serial = (): string => new X509Certificate(maker.read('client.crt')).serialNumber
    const issue = (authority: string): void => {
      maker.issue('server', authority, '/CN=server', 'IP:127.0.0.1')
      maker.issue('client', authority, '/CN=millrace')
    }
    maker.authority('old-ca', 'old authority')
    maker.authority('new-ca', 'new authority')
    issue('old-ca')
    await writeFile(join(folder.path, 'ca.crt'), maker.read('old-ca.crt'))
    const trusted = { requestCert: true, rejectUnauthorized: true, ca: [maker.read('old-ca.crt'), maker.read('new-ca.crt')] }
    const stub = await startStubElasticsearch({ tls: { ...maker.identity('server'), ...trusted } })
    const port = await freePort()
    const config = join(folder.path, 'main.conf')
    await writeFile(
      config,
      `input { beats { host => "127.0.0.1" port => ${port} } }
       output { elasticsearch {
         hosts => ["${stub.url}"] index => logs ssl_certificate => "client.crt" ssl_key => "client.key"
         ssl_certificate_authorities => ["ca.crt"] } }`,
    )
    await using program = await Program.start({ args: ['-f', config, '-r', '--config.reload.interval', '100ms'] })
    await using client = await LumberjackClient.connect({ host: '127.0.0.1', port })
    let sent = 0
    const send = async (): Promise<void> => {
      const events = Array.from({ length: WINDOW_EVENTS }, () => ({ message: `line ${sent++}` }))
      const windows = client.acks.length
      await client.send(encodeWindow(events))
      await client.until(() => client.acks.length > windows)
    }
    const old = serial()
    await send()
    expect(stub.bulks.at(-1)?.client_serial).toBe(old)

    // A request is on its way while the certificates change.
    const { promise: held, resolve: release } = Promise.withResolvers<void>()
    stub.onBulk = () => ({ until: held })
    const waiting = send()
    await waitFor('the held request', () => stub.bulks.length > 1)
    stub.onBulk = undefined
    issue('new-ca')
    await writeFile(join(folder.path, 'ca.crt'), maker.read('new-ca.crt'))
    stub.renewCertificates({ ...maker.identity('server'), ...trusted })
    await program.waitUntil('the new certificates', () => program.stderr.includes('uses the certificates that were renewed'))
    release()
    await waiting
    await waitFor('a request with the new certificate', async () => {
      await send()
      return stub.bulks.at(-1)?.client_serial === serial()
    })
    expect(serial()).not.toBe(old)
    expect(client.isClosed).toBe(false)

    expect((await settledBooks(program, sent)).states).toEqual({ stored: sent })
    const reloads = readSamples(await program.metrics()).filter(({ name }) => name === 'millrace_reloads_total')
    expect(reloads.filter(({ value }) => value > 0)).toEqual([])
    expect(stub.documents.get('logs')?.size).toBe(sent)
  },
)

test.skipIf(missing !== undefined)('the names that clients must have change with the config', async () => {
  await using folder = await temporaryFolder()
  const maker = new CertificateMaker(folder.path)
  maker.authority('ca', 'test authority')
  maker.issue('server', 'ca', '/CN=server', 'IP:127.0.0.1')
  maker.issue('client', 'ca', '/CN=x', 'DNS:web1.filebeat.example.com')
  const port = await freePort()
  const config = join(folder.path, 'main.conf')
  const configure = (name: string): Promise<void> =>
    writeFile(
      config,
      `input { beats { host => "127.0.0.1" port => ${port} ssl_enabled => true ssl_certificate => "server.crt" ssl_key => "server.key"
         ssl_certificate_authorities => ["ca.crt"] ssl_client_authentication => required ssl_client_names => ["${name}"] } }
       output { null { } }`,
    )
  await configure('*.elsewhere.example.com')
  await using program = await Program.start({ args: ['-f', config, '-r', '--config.reload.interval', '100ms'] })
  const tls = { ca: maker.read('ca.crt'), ...maker.identity('client') }
  const isServed = async (): Promise<boolean> => {
    try {
      await using client = await LumberjackClient.connect({ host: '127.0.0.1', port, tls })
      await client.send(encodeWindow([{ message: 'm' }]))
      await client.until(() => client.isClosed || client.acks.length > 0)
      return client.acks.length > 0
    } catch {
      return false
    }
  }
  expect(await isServed()).toBe(false)
  await configure('*.filebeat.example.com')
  await program.waitUntil('being served', isServed)
})
