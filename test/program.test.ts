import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readBooks } from './helpers/books.ts'
import { DEFAULT_CONFIG, filebeatEvent, startDefaultPipeline } from './helpers/default-pipeline.ts'
import { freePort } from './helpers/free-port.ts'
import { encodeWindow } from './helpers/lumberjack-client.ts'
import { Program } from './helpers/program.ts'
import { startStubElasticsearch } from './helpers/stub-elasticsearch.ts'
import { type TemporaryFolder, temporaryFolder } from './helpers/temporary-folder.ts'

async function configFile(folder: TemporaryFolder, text: string): Promise<string> {
  const path = join(folder.path, 'pipeline.json')
  await writeFile(path, text)
  return path
}

const PIPE = JSON.stringify({
  inputs: [{ stdin: { codec: 'json_lines' } }],
  filters: [{ mutate: { add_field: { seen: 'yes' } } }],
  outputs: [{ stdout: {} }],
})

/** Its variables are not those of the machine that runs the tests. */
const NOWHERE = { ELASTICSEARCH_URL: '', KAFKA_BROKERS: '' }

const windowOf = (count: number, first = 0): Buffer =>
  encodeWindow(Array.from({ length: count }, (_, index) => filebeatEvent(`{"order_id":${first + index}}`, first + index)))

describe.concurrent('a pipe', () => {
  test('stdin to stdout ends with 0, its own log goes to stderr only, and a last line without a newline is kept', async () => {
    await using folder = await temporaryFolder()
    const lines = Array.from({ length: 3_000 }, (_, index) => `{"number":${index},"id":12345678901234567890}`)
    await using program = await Program.spawn({
      args: ['-f', await configFile(folder, PIPE)],
      stdin: `${lines.join('\n')}\n{"number":3000,"last":true}`,
    })
    expect(await program.exited).toEqual({ code: 0, signal: null })
    const written = program.stdout.split('\n')
    expect(written.pop()).toBe('')
    expect(written.map((line) => (JSON.parse(line) as { number: number }).number)).toEqual(
      Array.from({ length: 3_001 }, (_, n) => n),
    )
    expect(written[0]).toContain('"id":12345678901234567890')
    expect(written.at(-1)).toContain('"last":true')
    expect(program.stderr).toContain('live page')
  })

  test('a reader of stdout that ends early does not break it', async () => {
    await using folder = await temporaryFolder()
    const input = Array.from({ length: 20_000 }, (_, index) => `{"number":${index}}\n`).join('')
    await using program = await Program.spawn({ args: ['-f', await configFile(folder, PIPE)], stdin: input })
    program.closeStdout()
    expect(await program.exited).toEqual({ code: 0, signal: null })
    expect(program.stderr).toContain('further events for it are dropped')
  })
})

describe.concurrent('a config that is wrong is refused with code 1', () => {
  test('with all its faults at once, each with its place and the nearest known name', async () => {
    await using folder = await temporaryFolder()
    const path = await configFile(
      folder,
      `{
  "inputs": [
    { "beats": { "prot": 5044 } },
    { "kafka": { "bootstrap_server": "localhost:9092", "topics": ["exchange-logs"] } }
  ],
  "filters": [
    { "mutat": { "add_field": { "a": "b" } } },
    { "if": "[level] = 'error'", "then": [ { "drop": { "percentge": 10 } } ] }
  ],
  "outputs": [ { "elasticsearch": { "hosts": ["\${SURELY_NOT_SET}"], "index": "x" } } ]
}
`,
    )
    await using program = await Program.spawn({ args: ['-f', path] })
    expect(await program.exited).toEqual({ code: 1, signal: null })
    expect(program.stdout).toBe('')
    const faults = program.stderr.split('\n').filter((line) => line.startsWith(`${path}:`))
    expect(faults.map((line) => /:(\d+):\d+: .*\[(\w+)\]$/.exec(line)?.slice(1).join(' '))).toEqual([
      '3 CONFIG_MISSING_OPTION',
      '3 CONFIG_UNKNOWN_OPTION',
      '4 CONFIG_UNKNOWN_OPTION',
      '7 CONFIG_UNKNOWN_COMPONENT',
      '8 CONFIG_INVALID_CONDITION',
      '8 CONFIG_UNKNOWN_OPTION',
      '10 CONFIG_UNRESOLVED_VARIABLE',
    ])
    for (const hint of ['did you mean port?', 'did you mean bootstrap_servers?', 'did you mean mutate?']) {
      expect(program.stderr).toContain(hint)
    }
  })

  test('that is not there, with the path', async () => {
    await using program = await Program.spawn({ args: ['-f', '/nowhere/pipeline.json'] })
    expect(await program.exited).toEqual({ code: 1, signal: null })
    expect(program.stderr).toContain('/nowhere/pipeline.json')
  })
})

describe.concurrent('flags', () => {
  test('-w 2 says of a pipe that one worker runs it, and --api.enabled false opens no port', async () => {
    await using folder = await temporaryFolder()
    const flags = ['-w', '2', '--api.enabled', 'false']
    await using program = await Program.spawn({ args: ['-f', await configFile(folder, PIPE), ...flags], stdin: '{"a":1}\n' })
    expect(await program.exited).toEqual({ code: 0, signal: null })
    expect(program.stdout).toContain('"a":1')
    expect(program.stderr).toContain('runs in one worker, for none of its inputs can be spread')
    expect(program.stderr).not.toContain('live page')
  })

  test('run FILE is the same as -f FILE', async () => {
    await using folder = await temporaryFolder()
    await using program = await Program.spawn({ args: ['run', await configFile(folder, PIPE)], stdin: '{"a":1}\n' })
    expect(await program.exited).toEqual({ code: 0, signal: null })
    expect(program.stdout).toContain('"a":1')
  })

  test('one that does not exist is told, with where to look', async () => {
    await using program = await Program.spawn({ args: ['-f', DEFAULT_CONFIG, '--path.dta', '/tmp'] })
    expect(await program.exited).toEqual({ code: 1, signal: null })
    expect(program.stderr).toContain('--path.dta')
    expect(program.stderr).toContain('millrace --help')
  })
})

describe.concurrent('a port that is taken ends it with code 1 and says what to do', () => {
  test("the Beats input's", async () => {
    const port = await freePort()
    await using _taken = await listenOn(port)
    await using program = await Program.spawn({ args: ['-f', DEFAULT_CONFIG], env: { ...NOWHERE, BEATS_PORT: String(port) } })
    expect(await program.exited).toEqual({ code: 1, signal: null })
    expect(program.stderr).toContain(`127.0.0.1:${port}`)
    expect(program.stderr).toMatch(/another (program|process)/)
  })

  test("the live page's", async () => {
    const [api, beats] = [await freePort(), await freePort()]
    await using _taken = await listenOn(api)
    const args = ['-f', DEFAULT_CONFIG, '--api.http.port', String(api)]
    await using program = await Program.spawn({ args, env: { ...NOWHERE, BEATS_PORT: String(beats) } })
    expect(await program.exited).toEqual({ code: 1, signal: null })
    expect(program.stderr).toContain('choose another one with --api.http.port')
  })
})

describe.concurrent('SIGTERM', () => {
  test('drains: what was received is stored and acknowledged, and it ends with 0', async () => {
    const release = Promise.withResolvers<void>()
    const stub = await startStubElasticsearch({ onBulk: () => ({ until: release.promise }) })
    await using pipeline = await startDefaultPipeline({ elasticsearch_url: stub.url })
    const { program } = pipeline
    await using client = await pipeline.connect()
    await client.send(windowOf(100))
    await program.waitUntil('a bulk request', () => stub.bulks.length > 0)
    const stopped = program.stop()
    await program.waitUntil('the stop', () => program.stderr.includes('reading no more'))
    expect(client.acks).toEqual([])
    release.resolve()
    expect(await stopped).toEqual({ code: 0, signal: null })
    await client.until(() => client.isClosed)
    expect(client.acks).toEqual([100])
    expect([...stub.documents.values()].reduce((count, index) => count + index.size, 0)).toBe(100)
    await stub.close()
  })

  test('with a dead Elasticsearch it ends by the deadline with 1, says how many are not stored, and acknowledges none of them', async () => {
    const stub = await startStubElasticsearch()
    await using pipeline = await startDefaultPipeline({ elasticsearch_url: stub.url, flags: ['--drain.timeout', '1'] })
    const { program } = pipeline
    await using client = await pipeline.connect()
    await stub.close()
    await client.send(windowOf(100))
    await program.waitUntil('100 received events', async () => (await readBooks(program)).received === 100)
    expect(await program.stop()).toEqual({ code: 1, signal: null })
    await client.until(() => client.isClosed)
    expect(client.acks).toEqual([])
    expect(program.stderr).toContain('stopped after 1 s with 100 events not stored')
    expect(program.stderr).toContain('Filebeat, Kafka and files bring them again')
  })

  test('with an Elasticsearch that takes requests and never answers it ends by the deadline too', async () => {
    const never = Promise.withResolvers<void>()
    const stub = await startStubElasticsearch({ onBulk: () => ({ until: never.promise }) })
    await using pipeline = await startDefaultPipeline({ elasticsearch_url: stub.url, flags: ['--drain.timeout', '1'] })
    const { program } = pipeline
    await using client = await pipeline.connect()
    await client.send(windowOf(100))
    await program.waitUntil('a bulk request', () => stub.bulks.length > 0)
    expect(await program.stop()).toEqual({ code: 1, signal: null })
    expect(client.acks).toEqual([])
    expect(program.stderr).toContain('with 100 events not stored')
    never.resolve()
    await stub.close()
  })

  test('with an Elasticsearch that never was there it ends by the deadline too', async () => {
    const url = `http://127.0.0.1:${await freePort()}`
    await using pipeline = await startDefaultPipeline({
      elasticsearch_url: url,
      flags: ['--drain.timeout', '1'],
      wait_ready: false,
    })
    await using client = await pipeline.connect()
    await client.send(windowOf(100))
    await pipeline.program.waitUntil('100 received events', async () => (await readBooks(pipeline.program)).received === 100)
    expect(await pipeline.program.stop()).toEqual({ code: 1, signal: null })
    expect(client.acks).toEqual([])
    expect(pipeline.program.stderr).toContain('with 100 events not stored')
  })
})

async function listenOn(port: number): Promise<AsyncDisposable> {
  const server = createServer()
  await new Promise<void>((resolve) => {
    server.listen(port, '127.0.0.1', resolve)
  })
  return {
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
      }),
  }
}
