import { appendFile, rename, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readBooks, settledBooks } from './helpers/books.ts'
import { freePort } from './helpers/free-port.ts'
import { encodeWindow, LumberjackClient } from './helpers/lumberjack-client.ts'
import { Program } from './helpers/program.ts'
import { type StubElasticsearch, startStubElasticsearch } from './helpers/stub-elasticsearch.ts'
import { temporaryFolder } from './helpers/temporary-folder.ts'

/** The numbers in the documents of all indices `exchange-*`, in order. */
function numbersIn(stub: StubElasticsearch): number[] {
  const documents = [...stub.documents].flatMap(([index, byId]) => (index.startsWith('exchange-') ? [...byId.values()] : []))
  return documents.map((text) => (JSON.parse(text) as { n: number }).n).sort((a, b) => a - b)
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n)
}

/** Within one day. */
function lineOf(n: number): string {
  return JSON.stringify({ ts: new Date(Date.UTC(2026, 2, 1, 12, 0, n)).toISOString(), n })
}

function configOf(input: string, url: string): string {
  return `
    input { ${input} }
    filter { json { source => "message" } date { match => ["ts", "ISO8601"] } }
    output { elasticsearch { hosts => ["${url}"] index => "exchange-%{+YYYY.MM.dd}" manage_template => false } }`
}

interface Place {
  readonly path: string
  readonly inode: string
  readonly fingerprint: string
}

/** Lines of one file as Filebeat ships them; the first one stands at the file's beginning. */
function shipped(place: Place, from: number, to: number, file_starts_at: number): object[] {
  return upTo(to - from).map((index) => ({
    // When Filebeat read it, which is another time at every reading.
    '@timestamp': new Date().toISOString(),
    '@metadata': { beat: 'filebeat', version: '9.1.0' },
    agent: { name: 'mx-01' },
    log: { file: { device_id: '64769', ...place }, offset: (from + index - file_starts_at) * 50 },
    message: lineOf(from + index),
  }))
}

test('files that Filebeat ships through both kinds of rotation and sends again are stored once', async () => {
  const stub = await startStubElasticsearch()
  const port = await freePort()
  const input = `beats { host => "127.0.0.1" port => ${port} }`
  await using program = await Program.start({ args: ['-e', configOf(input, stub.url)] })
  await using client = await LumberjackClient.connect({ host: '127.0.0.1', port })
  const first = { path: '/var/log/a.log', inode: '1', fingerprint: 'aa' }
  const windows = [
    shipped(first, 0, 10, 0),
    // Renamed; a Filebeat that was started again has lost the last acknowledgement, and finds the file under its new name.
    shipped({ ...first, path: '/var/log/a.log.1' }, 5, 10, 0),
    // Its successor, with the inode of an older one.
    shipped({ path: '/var/log/a.log', inode: '2', fingerprint: 'bb' }, 10, 20, 10),
    // Copied and emptied: the same file begins again.
    shipped({ path: '/var/log/a.log', inode: '2', fingerprint: 'cc' }, 20, 30, 20),
    // The same after a broken connection.
    shipped({ path: '/var/log/a.log', inode: '2', fingerprint: 'cc' }, 20, 30, 20),
  ]
  for (const window of windows) await client.send(encodeWindow(window))
  await client.until(() => client.acks.length === windows.length)
  expect(numbersIn(stub)).toEqual(upTo(30))
  expect(await settledBooks(program, 45)).toMatchObject({ states: { stored: 30, already_there: 15 } })
  await stub.close()
})

test('files that the file input reads through both kinds of rotation and a hard end are stored once', async () => {
  const stub = await startStubElasticsearch()
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'a.log')
  const input = `file { path => "${folder.path}/*.log" start_position => "beginning" stat_interval => 0.05 discover_interval => 1 }`
  const options = { args: ['-e', configOf(input, stub.url)], data: join(folder.path, 'data') }
  const linesOf = (from: number, to: number): string => upTo(to - from).map((index) => `${lineOf(from + index)}\n`).join('') // biome-ignore format: one line
  {
    await using program = await Program.start(options)
    const stored = (count: number): Promise<boolean> =>
      program.waitUntil(`${count} documents`, () => numbersIn(stub).length >= count)
    await writeFile(path, linesOf(0, 10))
    await stored(10)
    await rename(path, `${path}.1`)
    await writeFile(path, linesOf(10, 20))
    await stored(20)
    await truncate(path)
    await appendFile(path, linesOf(20, 25))
    await stored(25)
    expect((await readBooks(program)).unbalanced.every((difference) => difference === 0)).toBe(true)
    await program.kill()
  }
  await using again = await Program.start(options)
  await appendFile(path, linesOf(25, 30))
  await again.waitUntil('the last documents', () => numbersIn(stub).includes(29))
  expect(numbersIn(stub)).toEqual(upTo(30))
  await stub.close()
})
