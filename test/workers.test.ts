import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { writeDatabase } from '../src/geoip/mmdb-writer.ts'
import { readBooks, readSamples, settledBooks, sum } from './helpers/books.ts'
import { listLetters } from './helpers/dead-letters.ts'
import { freePort } from './helpers/free-port.ts'
import { encodeWindow, LumberjackClient } from './helpers/lumberjack-client.ts'
import { Program } from './helpers/program.ts'
import { type StubElasticsearch, startStubElasticsearch } from './helpers/stub-elasticsearch.ts'
import { temporaryFolder } from './helpers/temporary-folder.ts'
import { waitFor } from './helpers/wait-for.ts'

const WINDOW_EVENTS = 50
const CONNECTIONS = 8

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let elasticsearch: StubElasticsearch
beforeEach(async () => {
  folder = await temporaryFolder()
  elasticsearch = await startStubElasticsearch()
})
afterEach(async () => {
  await elasticsearch.close()
  await folder[Symbol.asyncDispose]()
})

interface Started extends AsyncDisposable {
  readonly program: Program
  readonly port: number
  readonly config: string
  /** As test/helpers/crash-worker.ts reads it. */
  crash(what: string): Promise<void>
}

function withCrashes(): { readonly [name: string]: string } {
  const helper = join(import.meta.dirname, 'helpers/crash-worker.ts')
  return { NODE_OPTIONS: `--import ${helper}`, CRASH_WORKER: join(folder.path, 'crash') }
}

async function start(configOf: (port: number) => string, args: readonly string[] = ['-w', '2'], data?: string): Promise<Started> {
  const port = await freePort()
  const config = join(folder.path, 'pipeline.conf')
  await writeFile(config, configOf(port))
  const program = await Program.start({
    args: ['-f', config, '--log.format', 'plain', ...args],
    ...(data === undefined ? {} : { data }),
    env: withCrashes(),
  })
  return {
    program,
    port,
    config,
    crash: (what) => writeFile(join(folder.path, 'crash'), what),
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  }
}

function toElasticsearch(port: number, filter = '', input = ''): string {
  return `input { beats { host => "127.0.0.1" port => ${port} } ${input} }
  filter { ${filter} }
  output { elasticsearch { hosts => "${elasticsearch.url}" index => "logs" document_id => "%{id}" action => "create" manage_template => false } }`
}

function idsOf(connection: number): string[] {
  return Array.from({ length: WINDOW_EVENTS }, (_, index) => `${connection}-${index}`)
}

/** Sends one window as Filebeat does: again on a new connection, until it is acknowledged. */
async function sendUntilStored(port: number, connection: number, seventh = 'x'): Promise<void> {
  const events = idsOf(connection).map((id, index) => ({ id, message: index === 7 ? seventh : 'x' }))
  const bytes = encodeWindow(events)
  for (;;) {
    const connect = () => LumberjackClient.connect({ host: '127.0.0.1', port }).catch(() => undefined)
    const client = await waitFor('somebody to listen', connect)
    await client.send(bytes)
    await client.until(() => client.isClosed || client.acks.length > 0, 90_000)
    client.close()
    if (client.acks.length > 0) return
  }
}

function storedIds(): string[] {
  return [...(elasticsearch.documents.get('logs')?.keys() ?? [])].filter((id) => id.includes('-')).toSorted()
}

const ALL_CONNECTIONS = Array.from({ length: CONNECTIONS }, (_, connection) => connection)
const ALL_IDS = ALL_CONNECTIONS.flatMap(idsOf).toSorted()

async function valuesOf(program: Program, name: string): Promise<{ readonly [worker: string]: number }> {
  const samples = readSamples(await program.metrics()).filter((sample) => sample.name === name)
  return Object.fromEntries(samples.map(({ labels, value }) => [labels['worker'] ?? '', value]))
}

test('two workers share a port, inputs that cannot be spread run once, and the books of both add up', async () => {
  const generator = 'generator { count => 5 message => "m" add_field => { "id" => "g%{[event][sequence]}" } }'
  const metric = 'metric { type => "counter" name => "lines" }'
  await using started = await start((port) => toElasticsearch(port, metric, generator))
  const { program, port } = started
  await Promise.all(ALL_CONNECTIONS.map((connection) => sendUntilStored(port, connection)))
  expect(storedIds()).toEqual(ALL_IDS)

  const events = ALL_IDS.length + 5
  const books = await settledBooks(program, events)
  expect(books).toMatchObject({ received: events, handed: events })
  const received = await valuesOf(program, 'millrace_worker_events_received_total')
  expect(Object.keys(received)).toEqual(['0', '1'])
  expect(sum(Object.values(received))).toBe(events)
  expect(await program.metrics()).toContain(`\nlines ${events}\n`)

  const ledger = (await (await fetch(`${program.apiUrl}/api/ledger`)).json()) as object
  expect(ledger).toMatchObject({
    unbalanced: 0,
    events: [
      { input: 'input_beats_1', received: ALL_IDS.length },
      { input: 'input_generator_1', received: 5 },
    ],
    deliveries: [{ handed: events, held: 0, unbalanced: 0 }],
  })
  expect(program.stderr).toContain('worker_1/input_beats_1: beats listens on')
  expect(await program.stop()).toEqual({ code: 0, signal: null })
})

test('whoever is let in while the workers start is served, and not hung up on', { timeout: 120_000 }, async () => {
  const port = await freePort()
  const config = join(folder.path, 'pipeline.conf')
  await writeFile(config, toElasticsearch(port))
  const bytes = encodeWindow([{ id: '0-0', message: 'x' }])
  await using program = await Program.spawn({ args: ['-f', config, '-w', '2'] })
  let served = 0
  for (let connection = 0; served < CONNECTIONS; connection++) {
    // Without a wait between: the moment in which an address is tried is short.
    const client = await LumberjackClient.connect({ host: '127.0.0.1', port }).catch(() => undefined)
    if (client === undefined) continue
    await client.send(bytes)
    await client.until(() => client.isClosed || client.acks.length > 0, 90_000)
    expect(client.acks, `connection ${connection}`).toEqual([1])
    client.close()
    served++
  }
  expect(await program.stop()).toEqual({ code: 0, signal: null })
})

test('workers find places in one copy of a database, and take a new one over together', { timeout: 180_000 }, async () => {
  const database = join(folder.path, 'places.mmdb')
  const databaseOf = (iso_code: string): Buffer =>
    writeDatabase({
      database_type: 'Country',
      description: 'a test',
      build_time_s: 1_767_225_600,
      networks: [{ network: '81.2.69.0/24', record: { country: { iso_code } } }],
    })
  await writeFile(database, databaseOf('GB'))
  const locate = `mutate { add_field => { "ip" => "81.2.69.142" } } geoip { source => "ip" target => "geo" database => "${database}" }`
  await using started = await start((port) => toElasticsearch(port, locate))
  const countriesOf = async (connections: readonly number[]): Promise<Set<string>> => {
    await Promise.all(connections.map((connection) => sendUntilStored(started.port, connection)))
    const documents = connections.flatMap(idsOf).map((id) => elasticsearch.documents.get('logs')?.get(id) ?? '')
    return new Set(documents.map((document) => /"country_iso_code":"(..)"/.exec(document)?.[1] ?? document))
  }
  expect(await countriesOf(ALL_CONNECTIONS)).toEqual(new Set(['GB']))

  await writeFile(database, databaseOf('SE'))
  await started.program.waitUntil('both workers to take it over', () =>
    [0, 1].every((worker) => new RegExp(`worker_${worker}/\\S+: took over a new state`).test(started.program.stderr)),
  )
  expect(await countriesOf(ALL_CONNECTIONS.map((connection) => connection + CONNECTIONS))).toEqual(new Set(['SE']))
})

test('an address that another program shares is told, for it gets a part of the connections', async () => {
  await using first = await start((port) => toElasticsearch(port))
  await using second = await Program.start({ args: ['-f', first.config, '-w', '2', '--log.format', 'plain'] })
  await second.waitUntil('a line about it', () => second.stderr.includes(`another program listens on 127.0.0.1:${first.port}`))
  expect(first.program.stderr).not.toContain('another program listens')
})

test('a worker that crashes is replaced, and what it held is stored all the same', async () => {
  const { promise: until, resolve: release } = Promise.withResolvers<void>()
  elasticsearch.onBulk = () => ({ until })
  await using started = await start((port) => toElasticsearch(port))
  const { program, port } = started
  const sending = ALL_CONNECTIONS.map((connection) => sendUntilStored(port, connection))
  await program.waitUntil('all events to be held', async () => (await readBooks(program)).held >= ALL_IDS.length)
  const held = (await valuesOf(program, 'millrace_worker_events_received_total'))['1']
  await started.crash('1')
  await program.waitUntil('the crash', async () => (await valuesOf(program, 'millrace_worker_crashes_total'))['1'] === 1)
  release()
  await Promise.all(sending)
  expect(storedIds()).toEqual(ALL_IDS)
  await program.waitUntil('a new worker', async () => (await program.metrics()).includes('\nmillrace_workers_running 2\n'))
  const ledger = (await (await fetch(`${program.apiUrl}/api/ledger`)).json()) as object
  expect(ledger).toMatchObject({ unbalanced: 0, events: [{ abandoned: held, held: 0, received: ALL_IDS.length + (held ?? 0) }] })
  expect(program.stderr).toContain('worker 1 crashed: the test wants it so')
  expect(await program.stop()).toEqual({ code: 0, signal: null })
})

test('the event that ends every worker which has it in its filters goes to the dead letters', async () => {
  await using started = await start((port) => toElasticsearch(port, 'mutate { uppercase => ["message"] }'))
  const { program, port } = started
  await Promise.all([sendUntilStored(port, 0, 'poison'), sendUntilStored(port, 1)])
  expect(storedIds()).toEqual([...idsOf(0), ...idsOf(1)].filter((id) => id !== '0-7').toSorted())
  const { letters, groups } = await listLetters(program.data)
  expect(letters).toBe(1)
  expect(JSON.stringify(groups)).toContain('a worker ended each time')
  expect(await program.stop()).toEqual({ code: 0, signal: null })
})

test('a stop brings to its end what all workers hold', async () => {
  const { promise: until, resolve: release } = Promise.withResolvers<void>()
  elasticsearch.onBulk = () => ({ until })
  await using started = await start((port) => toElasticsearch(port))
  const { program, port } = started
  const sending = Promise.all(ALL_CONNECTIONS.map((connection) => sendUntilStored(port, connection)))
  await program.waitUntil('all events to be held', async () => (await readBooks(program)).held >= ALL_IDS.length)
  const stopped = program.stop()
  await program.waitUntil('the stop', () => program.stderr.includes('reading no more'))
  release()
  expect(await stopped).toEqual({ code: 0, signal: null })
  await sending
  expect(storedIds()).toEqual(ALL_IDS)
})

test('what waits on the disk for a worker that there is no more is brought to its end', async () => {
  await using data = await temporaryFolder()
  elasticsearch.onBulk = () => ({ status: 503 })
  const configOf = (port: number): string =>
    toElasticsearch(port).replace('manage_template', 'when_blocked => "spill" blocked_after_ms => 100 manage_template')
  {
    await using started = await start(configOf, ['-w', '2'], data.path)
    await Promise.all(ALL_CONNECTIONS.map((connection) => sendUntilStored(started.port, connection)))
    expect(storedIds()).toEqual([])
    expect((await started.program.stop()).code).toBe(0)
  }
  elasticsearch.onBulk = undefined
  await using started = await start(configOf, ['-w', '1'], data.path)
  await started.program.waitUntil('all events to be stored', () => storedIds().length === ALL_IDS.length)
  expect(storedIds()).toEqual(ALL_IDS)
})

test('a new config takes its place in all workers or, where one refuses it, in none', async () => {
  await using started = await start((port) => toElasticsearch(port, 'mutate { add_field => { "v" => "1" } }'))
  const { program, port, config } = started
  const reload = async (): Promise<object> =>
    (await (await fetch(`${program.apiUrl}/api/pipeline`, { method: 'PUT' })).json()) as object
  await writeFile(config, toElasticsearch(port, 'mutate { add_field => { "v" => "2" } }'))
  expect(await reload()).toMatchObject({ result: 'loaded', changed: ['main'] })
  await writeFile(config, toElasticsearch(port, 'nope { }'))
  expect(await reload()).toMatchObject({ result: 'refused', problems: [{ code: 'CONFIG_UNKNOWN_COMPONENT' }] })
  await writeFile(config, toElasticsearch(port, '', 'stdin { }'))
  expect(await reload()).toMatchObject({ result: 'refused' })
  // A worker that comes later runs what runs, and not what lies in the file.
  await started.crash('1')
  await program.waitUntil('the crash', async () => (await valuesOf(program, 'millrace_worker_crashes_total'))['1'] === 1)
  await Promise.all(ALL_CONNECTIONS.map((connection) => sendUntilStored(port, connection)))
  const documents = [...(elasticsearch.documents.get('logs')?.values() ?? [])].map((text) => JSON.parse(text) as { v?: string })
  expect(new Set(documents.map(({ v }) => v))).toEqual(new Set(['2']))
})

/** A filter that needs a file to be made. */
async function withDictionary(): Promise<{ readonly path: string; readonly filter: string }> {
  const path = join(folder.path, 'names.json')
  await writeFile(path, '{ "x": "found" }')
  return { path, filter: `translate { source => "message" target => "found" dictionary_path => "${path}" }` }
}

test.each(['0', '1'])(
  'worker %s, refused when it is to come back, is tried until it is taken',
  { timeout: 180_000 },
  async (worker) => {
    const { path, filter } = await withDictionary()
    await using started = await start((port) => toElasticsearch(port, filter))
    const { program, port } = started
    await rename(path, `${path}.away`)
    await started.crash(worker)
    await program.waitUntil('a line about it', () =>
      program.stderr.includes(`worker ${worker} cannot start again and is tried again`),
    )
    expect(program.stderr).toMatch(/Put right what is said here[^]*names\.json/)
    expect(await program.metrics()).toContain('\nmillrace_workers_running 1\n')
    const ready = await fetch(`${program.apiUrl}/readyz`)
    expect({ status: ready.status, text: await ready.text() }).toEqual({
      status: 503,
      text: expect.stringMatching(new RegExp(`worker ${worker} cannot start again: .*names\\.json`)) as string,
    })
    await rename(`${path}.away`, path)
    await program.waitUntil('both workers', async () => (await program.metrics()).includes('\nmillrace_workers_running 2\n'))
    await program.waitUntil('being ready', async () => (await fetch(`${program.apiUrl}/readyz`)).status === 200)
    await Promise.all(ALL_CONNECTIONS.map((connection) => sendUntilStored(port, connection)))
    expect(storedIds()).toEqual(ALL_IDS)
    expect(await program.stop()).toEqual({ code: 0, signal: null })
  },
)

test('a config that any worker refuses at the start ends the program', { timeout: 180_000 }, async () => {
  const { path, filter } = await withDictionary()
  const config = join(folder.path, 'pipeline.conf')
  await writeFile(config, toElasticsearch(await freePort(), filter))
  await writeFile(join(folder.path, 'crash'), `1 without ${path}`)
  await using program = await Program.spawn({ args: ['-f', config, '-w', '2'], env: withCrashes() })
  expect(await program.exited).toEqual({ code: 1, signal: null })
  expect(program.stderr).toMatch(/The given configuration is invalid:[^]*names\.json/)
})

test.each([
  ['cannot listen', undefined],
  ['dies listening', 1],
])(
  'a worker that %s when it takes a new config over is replaced by one that has it',
  { timeout: 180_000 },
  async (what, crashes) => {
    await using started = await start((port) => toElasticsearch(port, 'mutate { add_field => { "v" => "1" } }'))
    const { program, port, config } = started
    await started.crash(`1 ${what}`)
    await writeFile(config, toElasticsearch(port, 'mutate { add_field => { "v" => "2" } }'))
    const response = await fetch(`${program.apiUrl}/api/pipeline`, { method: 'PUT' })
    expect({ status: response.status, answer: await response.json() }).toMatchObject({
      status: 200,
      answer: { result: 'loaded', changed: ['main'], problems: [] },
    })
    await program.waitUntil('both workers', async () => (await program.metrics()).includes('\nmillrace_workers_running 2\n'))
    await program.waitUntil('being ready', async () => (await fetch(`${program.apiUrl}/readyz`)).status === 200)
    expect((await valuesOf(program, 'millrace_worker_crashes_total'))['1']).toBe(crashes)
    await Promise.all(ALL_CONNECTIONS.map((connection) => sendUntilStored(port, connection)))
    const documents = [...(elasticsearch.documents.get('logs')?.values() ?? [])].map((text) => JSON.parse(text) as { v?: string })
    expect(new Set(documents.map(({ v }) => v))).toEqual(new Set(['2']))
    expect(storedIds()).toEqual(ALL_IDS)
    const again = await fetch(`${program.apiUrl}/api/pipeline`, { method: 'PUT' })
    expect(await again.json()).toMatchObject({ result: 'unchanged' })
    expect(await program.stop()).toEqual({ code: 0, signal: null })
  },
)

test('the counts of a worker that is gone stay from the first moment on, and its gauges do not', {
  timeout: 180_000,
}, async () => {
  const gauge = 'mutate { add_field => { "n" => "5" } } metric { type => "gauge" name => "depth" value => "n" max_age_s => 15 }'
  await using started = await start((port) => toElasticsearch(port, gauge))
  const { program, port } = started
  const received = async (): Promise<number> => {
    const status = (await (await fetch(`${program.apiUrl}/api/status`)).json()) as { totals: { received: number } }
    return status.totals.received
  }
  await Promise.all(ALL_CONNECTIONS.map((connection) => sendUntilStored(port, connection)))
  expect(await program.metrics()).toContain('\ndepth 5\n')
  // The page shows these before anybody has asked for metrics again.
  await Promise.all(ALL_CONNECTIONS.map((connection) => sendUntilStored(port, connection + CONNECTIONS)))
  const all = 2 * ALL_IDS.length
  await program.waitUntil('all events on the page', async () => (await received()) === all)
  await started.crash('1 silently')
  const seen = new Set<number>()
  await program.waitUntil('the crash', () => program.stderr.includes('worker 1 crashed'))
  await program.waitUntil('a new worker', async () => {
    seen.add(await received())
    return (await program.metrics()).includes('\nmillrace_workers_running 2\n')
  })
  expect([...seen]).toEqual([all])
  await program.waitUntil('the gauge to be over', async () => !(await program.metrics()).includes('\ndepth '))
  expect(await received()).toBe(all)
})
