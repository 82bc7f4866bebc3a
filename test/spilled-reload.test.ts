import { readdir, rename, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readSamples, settledBooks } from './helpers/books.ts'
import { freePort } from './helpers/free-port.ts'
import { encodeWindow, LumberjackClient } from './helpers/lumberjack-client.ts'
import { Program } from './helpers/program.ts'
import { startStubElasticsearch } from './helpers/stub-elasticsearch.ts'
import { type TemporaryFolder, temporaryFolder } from './helpers/temporary-folder.ts'

const WINDOW_EVENTS = 20

/** A program between a Beats port and an Elasticsearch that is not there before a test starts it. */
class Setting implements AsyncDisposable {
  readonly port: number
  readonly elasticsearch_port: number
  readonly #folder: TemporaryFolder

  private constructor(folder: TemporaryFolder, port: number, elasticsearch_port: number) {
    this.#folder = folder
    this.port = port
    this.elasticsearch_port = elasticsearch_port
  }

  static async make(): Promise<Setting> {
    return new Setting(await temporaryFolder(), await freePort(), await freePort())
  }

  get data(): string {
    return join(this.#folder.path, 'data')
  }

  async write(mark: string, { output = 'store', settings = {}, more = [] as object[] } = {}): Promise<void> {
    const hosts = [`http://127.0.0.1:${this.elasticsearch_port}`]
    const elasticsearch = { id: output, hosts, index: 'logs', document_id: '%{n}', when_blocked: 'spill', blocked_after_ms: 50 }
    const config = {
      pipeline: settings,
      inputs: [{ beats: { host: '127.0.0.1', port: this.port } }],
      filters: [{ mutate: { add_field: { mark } } }],
      outputs: [{ elasticsearch }, ...more],
    }
    // Whole at once, for the program may look at any time.
    await writeFile(`${this.#config}.new`, JSON.stringify(config))
    await rename(`${this.#config}.new`, this.#config)
  }

  start(): Promise<Program> {
    return Program.spawn({ args: ['-f', this.#config, '--log.format', 'json'], data: this.data })
  }

  /** Sends a window and waits for its acknowledgement. */
  async send(program: Program, first: number): Promise<void> {
    await program.waitUntil('the acknowledgement', async () => {
      await using client = await LumberjackClient.connect({ host: '127.0.0.1', port: this.port })
      await client.send(encodeWindow(Array.from({ length: WINDOW_EVENTS }, (_, index) => ({ n: first + index }))))
      await client.until(() => client.isClosed || client.acks.length === 1, 90_000)
      return client.acks.length === 1
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder[Symbol.asyncDispose]()
  }

  get #config(): string {
    return join(this.#folder.path, 'pipeline.json')
  }
}

async function reload(program: Program): Promise<{ readonly result: string; readonly problems: readonly { message: string }[] }> {
  const response = await fetch(`${program.apiUrl}/api/pipeline`, { method: 'PUT' })
  return (await response.json()) as Awaited<ReturnType<typeof reload>>
}

test('what is on the disk when the config changes is stored once, before what comes after it', async () => {
  await using setting = await Setting.make()
  await setting.write('old')
  await using program = await setting.start()
  for (const window of [0, 1, 2]) await setting.send(program, window * WINDOW_EVENTS)
  await setting.write('new')
  expect(await reload(program)).toMatchObject({ result: 'loaded' })
  await setting.send(program, 3 * WINDOW_EVENTS)
  const stub = await startStubElasticsearch({ port: setting.elasticsearch_port })
  try {
    const count = 4 * WINDOW_EVENTS
    await program.waitUntil('all documents', () => stub.documents.get('logs')?.size === count)
    const stored = stub.bulks.flatMap(({ items }) => items.map(({ id, source }) => ({ n: Number(id), source })))
    expect(stored.map(({ n }) => n)).toEqual(Array.from({ length: count }, (_, n) => n))
    expect(stored.map(({ source }) => source.includes('"mark":"old"')).indexOf(false)).toBe(3 * WINDOW_EVENTS)
    await settledBooks(program, count, 20_000)
  } finally {
    await stub.close()
  }
})

test('events on the disk for an output that is renamed are told, also in the same run, and sent when it has its name again', async () => {
  await using setting = await Setting.make()
  await setting.write('old')
  const first = await setting.start()
  await setting.send(first, 0)
  await setting.write('new', { output: 'renamed' })
  expect(await reload(first)).toMatchObject({ result: 'loaded' })
  const told = 'an output which is not in the config any more: give an output of pipeline main the id store and they are sent'
  await first.waitUntil('the line about them', () => first.stderr.includes(told))
  await first.stop()
  await using second = await setting.start()
  await second.waitUntil('the line about them', () => second.stderr.includes(told))
  const stub = await startStubElasticsearch({ port: setting.elasticsearch_port })
  try {
    await setting.write('old')
    expect(await reload(second)).toMatchObject({ result: 'loaded' })
    await second.waitUntil('the documents', () => stub.documents.get('logs')?.size === WINDOW_EVENTS)
    await second.waitUntil(
      'the folder being empty',
      async () => (await readdir(join(setting.data, 'spill/main/store'))).length === 0,
    )
  } finally {
    await stub.close()
  }
})

test('a new output that refuses to open leaves what ran in its place, which goes on taking events', async () => {
  await using setting = await Setting.make()
  const stub = await startStubElasticsearch({ port: setting.elasticsearch_port })
  const thief = createServer()
  const stolen_port = await freePort()
  await new Promise<void>((resolve) => thief.listen(stolen_port, '127.0.0.1', resolve))
  await setting.write('old')
  await using program = await setting.start()
  try {
    await setting.send(program, 0)
    await setting.write('new', { more: [{ tcp: { mode: 'server', host: '127.0.0.1', port: stolen_port } }] })
    const { result, problems } = await reload(program)
    expect([result, problems.length]).toEqual(['refused', 1])
    expect(problems[0]?.message).toContain('another program listens there')
    await setting.send(program, WINDOW_EVENTS)
    expect(stub.bulks.flatMap(({ items }) => items).every(({ source }) => source.includes('"mark":"old"'))).toBe(true)
    expect(stub.documents.get('logs')?.size).toBe(2 * WINDOW_EVENTS)
    await settledBooks(program, 2 * WINDOW_EVENTS, 20_000)
  } finally {
    thief.close()
    await stub.close()
  }
})

test('the limits of the dead letters are those of the new config', async () => {
  await using setting = await Setting.make()
  await setting.write('old', { settings: { dead_letter_queue_max_bytes: 2_000_000 } })
  await using program = await setting.start()
  const limit = async (): Promise<number | undefined> =>
    readSamples(await program.metrics()).find(({ name }) => name === 'millrace_dead_letters_max_bytes')?.value
  await program.waitUntil('the first limit', async () => (await limit()) === 2_000_000)
  await setting.write('new', { settings: { dead_letter_queue_max_bytes: 3_000_000 } })
  expect(await reload(program)).toMatchObject({ result: 'loaded' })
  expect(await limit()).toBe(3_000_000)
})
