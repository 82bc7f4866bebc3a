import { mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises'
import { createServer as createHttpServer } from 'node:http'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Books } from '../src/ops/ledger.ts'
import { freePort } from './helpers/free-port.ts'
import { encodeWindow, type LumberjackAddress, LumberjackClient } from './helpers/lumberjack-client.ts'
import { Program } from './helpers/program.ts'
import { temporaryFolder } from './helpers/temporary-folder.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
beforeEach(async () => {
  folder = await temporaryFolder()
})
afterEach(async () => {
  await folder[Symbol.asyncDispose]()
})

function inFolder(name: string): string {
  return join(folder.path, name)
}

interface Answer {
  readonly result: string
  readonly changed: readonly string[]
  readonly added: readonly string[]
  readonly removed: readonly string[]
  readonly problems: readonly { readonly message: string }[]
}

async function reload(program: Program): Promise<Answer> {
  const response = await fetch(`${program.apiUrl}/api/pipeline`, { method: 'PUT' })
  const answer = (await response.json()) as Answer
  expect(response.status).toBe(answer.result === 'refused' ? 422 : 200)
  return answer
}

async function linesOf(name: string): Promise<string[]> {
  const text = await readFile(inFolder(name), 'utf8').catch(() => '')
  return text.split('\n').filter((line) => line !== '')
}

async function metric(program: Program, line: string): Promise<number> {
  const text = await (await fetch(`${program.apiUrl}/metrics`)).text()
  const found = text.split('\n').find((one) => one.startsWith(`${line} `))
  return Number(found?.slice(line.length))
}

const WINDOW_EVENTS = 20

/** A sender like Filebeat: what is not acknowledged it sends again, on a new connection. */
class Sender {
  readonly acknowledged: string[] = []
  readonly refusals: string[] = []
  connections = 0
  readonly #address: LumberjackAddress
  readonly #name: string
  #is_stopped = false

  constructor(address: LumberjackAddress, name: string) {
    this.#address = address
    this.#name = name
  }

  stop(): void {
    this.#is_stopped = true
  }

  async run(): Promise<void> {
    let client: LumberjackClient | undefined
    for (let window = 0; !this.#is_stopped; window++) {
      const ids = Array.from({ length: WINDOW_EVENTS }, (_, index) => `${this.#name}-${window}-${index}`)
      const bytes = encodeWindow(ids.map((id) => ({ id })))
      for (let is_stored = false; !is_stored; ) {
        const at: LumberjackClient = client ?? (await this.#connect())
        client = at
        const acks = at.acks.length
        await at.send(bytes)
        await at.until(() => at.isClosed || at.acks.length > acks)
        is_stored = at.acks.length > acks
        if (at.isClosed) client = undefined
      }
      this.acknowledged.push(...ids)
    }
    client?.close()
  }

  async #connect(): Promise<LumberjackClient> {
    try {
      this.connections++
      return await LumberjackClient.connect(this.#address)
    } catch (thrown) {
      this.refusals.push(String(thrown))
      throw thrown
    }
  }
}

function config(port: number, generation: string, more = ''): string {
  return `input { beats { host => "127.0.0.1" port => ${port} } ${more} }
    filter { mutate { add_field => { generation => "${generation}" } }
      metric { type => counter name => seen_total ${generation === '3' ? 'labels => { generation => "%{generation}" }' : ''} } }
    output { file { path => "${inFolder('out.ndjson')}" } }`
}

test('under load: no connection is refused, nothing is lost and nothing comes twice, whatever the new config is', async () => {
  const port = await freePort()
  const stolen = createServer()
  const stolen_port = await freePort()
  await new Promise<void>((resolve) => stolen.listen(stolen_port, '127.0.0.1', resolve))
  const file = inFolder('main.conf')
  await writeFile(file, config(port, '1'))
  const started_ms = Date.now()
  await using program = await Program.start({ args: ['-f', file, '--log.format', 'json'] })
  const senders = ['a', 'b', 'c', 'd'].map((name) => new Sender({ host: '127.0.0.1', port }, name))
  const running = Promise.all(senders.map((sender) => sender.run()))
  const isSeen = async (generation: string): Promise<boolean> =>
    (await readFile(inFolder('out.ndjson'), 'utf8').catch(() => '')).includes(`"generation":"${generation}"`)
  const put = async (text: string): Promise<Answer> => {
    await writeFile(file, text)
    return await reload(program)
  }
  try {
    await program.waitUntil('the first events', () => isSeen('1'))
    for (const generation of ['2', '3']) {
      expect(await put(config(port, generation))).toMatchObject({ result: 'loaded', changed: ['main'], problems: [] })
      await program.waitUntil(`events of ${generation}`, () => isSeen(generation))
    }
    expect(await reload(program)).toMatchObject({ result: 'unchanged' })

    expect(await put(config(port, 'broken', 'no_such {}'))).toMatchObject({
      result: 'refused',
      problems: [{ message: expect.stringContaining("Couldn't find any input plugin named 'no_such'") as string }],
    })
    expect(await put(config(port, 'thief', `tcp { host => "127.0.0.1" port => ${stolen_port} }`))).toMatchObject({
      result: 'refused',
      problems: [{ message: expect.stringContaining('another program listens there') as string }],
    })
    expect((await fetch(`${program.apiUrl}/readyz`)).status).toBe(200)

    await writeFile(file, config(port, '4'))
    process.kill(program.pid, 'SIGHUP')
    await program.waitUntil('events of 4', () => isSeen('4'))
  } finally {
    for (const sender of senders) sender.stop()
    await running
    stolen.close()
  }
  const unbalanced = 'millrace_ledger_unbalanced_events{pipeline="main"}'
  expect(await metric(program, unbalanced)).toBe(0)
  expect(await metric(program, 'millrace_reloads_total{result="loaded"}')).toBe(3)
  expect(await metric(program, 'millrace_reloads_total{result="refused"}')).toBe(2)
  const timeOf = async (result: string): Promise<number> =>
    await metric(program, `millrace_config_last_reload_time_seconds{result="${result}"}`)
  const [loaded_s, refused_s] = [await timeOf('loaded'), await timeOf('refused')]
  expect(loaded_s).toBeGreaterThan(refused_s)
  expect(refused_s).toBeGreaterThan(started_ms / 1_000)
  const { code } = await program.stop()
  expect(code).toBe(0)

  const stored = (await linesOf('out.ndjson')).map((line) => JSON.parse(line) as { id: string; generation: string })
  expect(stored.map(({ id }) => id).toSorted()).toEqual(senders.flatMap(({ acknowledged }) => acknowledged).toSorted())
  expect([...new Set(stored.map(({ generation }) => generation))].toSorted()).toEqual(['1', '2', '3', '4'])
  expect(senders.flatMap(({ refusals }) => refusals)).toEqual([])
  expect(senders.every(({ connections }) => connections > 1)).toBe(true)
})

test('with -r a changed file is taken over by itself, also by a swapped link, and what stays wrong is told once', async () => {
  const write = async (version: string, generation: string): Promise<void> => {
    await mkdir(inFolder(version))
    const text = `input { heartbeat { interval => 1 message => "beat" count => 1000 } }
      filter { mutate { add_field => { generation => "${generation}" } } }
      output { file { path => "${inFolder('out')}" codec => line { format => "%{generation}" } } }`
    await writeFile(inFolder(`${version}/main.conf`), text)
    await symlink(version, inFolder('..next'))
    await rename(inFolder('..next'), inFolder('..data'))
  }
  await write('v1', 'one')
  await symlink('..data/main.conf', inFolder('main.conf'))
  const args = ['-f', inFolder('main.conf'), '-r', '--config.reload.interval', '100ms', '--log.format', 'json']
  await using program = await Program.start({ args })
  await program.waitUntil('the first event', async () => (await linesOf('out')).includes('one'))
  await write('v2', 'two" { broken')
  await program.waitUntil('the refusal', () => program.stderr.includes('the new config is refused'))
  await write('v3', 'three')
  await program.waitUntil('the new config', async () => (await linesOf('out')).includes('three'))
  expect(program.stderr.split('the new config is refused')).toHaveLength(2)
})

async function writePipelines(pipelines: { readonly [id: string]: string }): Promise<void> {
  const entries = Object.entries(pipelines).map(([id, text]) => ({ 'pipeline.id': id, 'config.string': text }))
  await writeFile(inFolder('pipelines.yml'), JSON.stringify(entries))
}

test('of several pipelines only those that changed are made again; others come and go', async () => {
  const from = (id: string, mark: string): string =>
    `input { pipeline { address => ${id} } } filter { mutate { add_field => { mark => "${mark}" } } }
     output { file { path => "${inFolder('out')}" codec => line { format => "${id} %{mark}" } } }`
  const source = 'input { heartbeat { interval => 1 } } output { pipeline { send_to => [left, right] } }'
  await writePipelines({ source, left: from('left', '1'), right: from('right', '1') })
  await using program = await Program.start({ args: ['--path.settings', folder.path, '--log.format', 'json'] })
  await program.waitUntil('events of both', async () => {
    const lines = await linesOf('out')
    return lines.includes('left 1') && lines.includes('right 1')
  })

  await writePipelines({ source, left: from('left', '1'), right: from('right', '2') })
  expect(await reload(program)).toMatchObject({ result: 'loaded', changed: ['right'], added: [], removed: [] })
  await program.waitUntil('the new one', async () => (await linesOf('out')).includes('right 2'))

  await writePipelines({
    source: source.replace('left, right', 'right, more'),
    right: from('right', '2'),
    more: from('more', '1'),
  })
  expect(await reload(program)).toMatchObject({ result: 'loaded', changed: ['source'], added: ['more'], removed: ['left'] })
  await program.waitUntil('the added one', async () => (await linesOf('out')).includes('more 1'))
  const lines = await linesOf('out')
  expect(lines.slice(lines.lastIndexOf('more 1')).filter((line) => line.startsWith('left'))).toEqual([])
  for (const id of ['source', 'right', 'more', 'left']) {
    expect(await metric(program, `millrace_ledger_unbalanced_events{pipeline="${id}"}`)).toBe(0)
  }
  expect((await program.stop()).code).toBe(0)
})

test.each([['1'], ['2']])(
  'under a new name, with %s workers: the old pipeline goes once nothing is refused, and not before',
  async (workers) => {
    const address = { host: '127.0.0.1', port: await freePort() }
    const stolen = createServer()
    const stolen_port = await freePort()
    await new Promise<void>((resolve) => stolen.listen(stolen_port, '127.0.0.1', resolve))
    const named = (id: string, more = ''): string => `input { beats { host => "127.0.0.1" port => ${address.port} } ${more} }
    output { stdout { codec => line { format => "${id} %{id}" } } }`
    await writePipelines({ one: named('one') })
    await using program = await Program.start({ args: ['--path.settings', folder.path, '-w', workers, '--log.format', 'json'] })
    const senders = ['a', 'b'].map((name) => new Sender(address, name))
    const running = Promise.all(senders.map((sender) => sender.run()))
    const probes = { one: 0, two: 0 }
    const probe = async (id: 'one' | 'two'): Promise<void> => {
      const name = `probe-${++probes[id]}`
      await using client = await LumberjackClient.connect(address)
      await client.send(encodeWindow([{ id: name }]))
      await client.until(() => client.acks.length > 0)
      await program.waitUntil(`${name} in ${id}`, () => program.stdout.includes(`${id} ${name}\n`))
    }
    const refusals: readonly (readonly [pipelines: { readonly [id: string]: string }, why: string])[] = [
      [{ two: named('two', 'no_such {}') }, "Couldn't find any input plugin named 'no_such'"],
      [{ two: named('two', `tcp { host => "127.0.0.1" port => ${stolen_port} }`) }, 'another program listens there'],
      // It takes over, and gives everything back.
      [{ two: named('two'), three: named('three') }, 'the pipeline two listens there'],
    ]
    try {
      await probe('one')
      for (const [pipelines, why] of refusals) {
        await writePipelines(pipelines)
        expect(await reload(program)).toMatchObject({
          result: 'refused',
          added: [],
          removed: [],
          problems: [{ message: expect.stringContaining(why) as string }],
        })
        await probe('one')
      }
      await writePipelines({ two: named('two') })
      expect(await reload(program)).toMatchObject({ result: 'loaded', added: ['two'], removed: ['one'], problems: [] })
      await probe('two')
    } finally {
      for (const sender of senders) sender.stop()
      await running
      stolen.close()
    }
    expect((await program.stop()).code).toBe(0)
    const stored = program.stdout.split('\n').flatMap((line) => /^(?:one|two) ([ab]-.*)/.exec(line)?.[1] ?? [])
    expect(stored.toSorted()).toEqual(senders.flatMap(({ acknowledged }) => acknowledged).toSorted())
    expect(senders.flatMap(({ refusals: refused }) => refused)).toEqual([])
  },
)

test('under a new name a file is read on once the old pipeline has ended, and a pipeline that others send to takes over from it', async () => {
  const reading = `input { file { path => "${inFolder('in.log')}" start_position => beginning stat_interval => 0.1 } }
    output { pipeline { send_to => next } }`
  const writing = (id: string, more = ''): string => `input { pipeline { address => next } ${more} }
    output { file { path => "${inFolder('out')}" codec => line { format => "%{message} ${id}" } } }`
  await writeFile(inFolder('in.log'), 'a\n')
  await writePipelines({ reads: reading, writes: writing('writes') })
  await using program = await Program.start({ args: ['--path.settings', folder.path] })
  const append = async (line: string, all: readonly string[]): Promise<void> => {
    await writeFile(inFolder('in.log'), `${line}\n`, { flag: 'a' })
    await program.waitUntil(line, async () => (await linesOf('out')).length >= all.length)
    expect(await linesOf('out')).toEqual(all)
  }
  await program.waitUntil('the first line', async () => (await linesOf('out')).length === 1)
  await writePipelines({ follows: reading, stores: writing('stores'), also: writing('also') })
  expect(await reload(program)).toMatchObject({ result: 'refused', added: [], removed: [] })
  await append('b', ['a writes', 'b writes'])
  await writePipelines({ follows: reading, stores: writing('stores') })
  expect(await reload(program)).toMatchObject({ result: 'loaded', added: ['follows', 'stores'], removed: ['reads', 'writes'] })
  await append('c', ['a writes', 'b writes', 'c stores'])
  expect((await program.stop()).code).toBe(0)
})

test('what a pipeline or an output that was taken out still holds stays in the books until it has its end', async () => {
  const gate = Promise.withResolvers<void>()
  const slow = createHttpServer((_request, response) => void gate.promise.then(() => response.end()))
  const port = await freePort()
  await new Promise<void>((resolve) => slow.listen(port, '127.0.0.1', resolve))
  const reading = (id: string, output: string): string =>
    `input { file { id => "${id}-lines" path => "${inFolder(`${id}.log`)}" start_position => beginning stat_interval => 0.1 } }
     output { http { id => "${output}" url => "http://127.0.0.1:${port}/" http_method => post } }`
  for (const id of ['stays', 'goes']) await writeFile(inFolder(`${id}.log`), 'x\n')
  await writePipelines({ stays: reading('stays', 'old'), goes: reading('goes', 'only') })
  await using program = await Program.start({ args: ['--path.settings', folder.path] })
  const books = async (): Promise<Books> => (await (await fetch(`${program.apiUrl}/api/ledger`)).json()) as Books
  const held = async (): Promise<object> => {
    const { events, deliveries, unbalanced } = await books()
    return {
      events: events.map((one) => [one.pipeline, one.held]),
      deliveries: deliveries.map((one) => [one.output, one.held]),
      unbalanced,
    }
  }
  const both = (count: number, ...more: readonly (readonly [string, number])[]): object => ({
    events: [
      ['stays', count],
      ['goes', count],
    ],
    deliveries: [['old', count], ...more, ['only', count]],
    unbalanced: 0,
  })
  try {
    await program.waitUntil('both lines', async () => isDeepStrictEqual(await held(), both(1)))
    await writePipelines({ stays: reading('stays', 'new') })
    expect(await reload(program)).toMatchObject({ result: 'loaded', changed: ['stays'], removed: ['goes'] })
    expect(await held()).toEqual(both(1, ['new', 0]))
    gate.resolve()
    await program.waitUntil('their ends', async () => isDeepStrictEqual(await held(), both(0, ['new', 0])))
    expect((await books()).events.map(({ states }) => states.stored)).toEqual([1, 1])
  } finally {
    gate.resolve()
    slow.close()
  }
})

test('a pipeline that reads the standard input says that it cannot be replaced, and goes on', async () => {
  const file = inFolder('main.conf')
  const text = (mark: string): string => `input { stdin {} heartbeat { interval => 1 } }
    output { file { path => "${inFolder('out')}" codec => line { format => "${mark}" } } }`
  await writeFile(file, text('one'))
  await using program = await Program.start({ args: ['-f', file], stdin: 'x\n' })
  await writeFile(file, text('two'))
  const { result, problems } = await reload(program)
  expect(result).toBe('refused')
  expect(problems[0]?.message).toContain('not reloadable, for the stdin input')
  const before = (await linesOf('out')).length
  await program.waitUntil('more events', async () => (await linesOf('out')).length > before)
  expect(await linesOf('out')).not.toContain('two')
})

test('a file is read on from where it was', async () => {
  const file = inFolder('main.conf')
  const text = (
    mark: string,
  ): string => `input { file { path => "${inFolder('in.log')}" start_position => beginning stat_interval => 0.1 } }
    output { file { path => "${inFolder('out')}" codec => line { format => "%{message} ${mark}" } } }`
  await writeFile(inFolder('in.log'), 'a\nb\n')
  await writeFile(file, text('1'))
  await using program = await Program.start({ args: ['-f', file] })
  await program.waitUntil('both lines', async () => (await linesOf('out')).length === 2)
  await writeFile(file, text('2'))
  expect(await reload(program)).toMatchObject({ result: 'loaded' })
  await writeFile(inFolder('in.log'), 'c\n', { flag: 'a' })
  await program.waitUntil('the third line', async () => (await linesOf('out')).length > 2)
  expect(await linesOf('out')).toEqual(['a 1', 'b 1', 'c 2'])
})

test('a file that a component reads is read again, and what deduplicate has seen is known to the next one', async () => {
  const file = inFolder('main.conf')
  const text = (mark: string): string => `input { heartbeat { interval => 1 message => "word" } }
    filter {
      grok { patterns_dir => ["${inFolder('patterns')}"] match => { message => "%{MINE:mine}" } }
      deduplicate { id => seen key => "%{message}" action => tag add_tag => ["again"] }
    }
    output { file { path => "${inFolder('out')}" codec => line { format => "%{mine} %{tags} ${mark}" } } }`
  await mkdir(inFolder('patterns'))
  await writeFile(inFolder('patterns/own'), 'MINE w\n')
  await writeFile(file, text('1'))
  await using program = await Program.start({ args: ['-f', file, '-r', '--config.reload.interval', '100ms'] })
  await program.waitUntil('a duplicate', async () => (await linesOf('out')).includes('w again 1'))
  await writeFile(inFolder('patterns/own'), 'MINE wo\n')
  await program.waitUntil('the new pattern', async () => (await linesOf('out')).includes('wo again 1'))
  await writeFile(file, text('2'))
  await program.waitUntil('the new config', async () => (await linesOf('out')).includes('wo again 2'))
  expect((await linesOf('out')).filter((line) => !line.includes('again'))).toHaveLength(1)
})
