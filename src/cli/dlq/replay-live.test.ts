import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { readSamples } from '../../../test/helpers/books.ts'
import { keepLetters, letterOf, listLetters } from '../../../test/helpers/dead-letters.ts'
import { freePort } from '../../../test/helpers/free-port.ts'
import { Program } from '../../../test/helpers/program.ts'
import { runTool } from '../../../test/helpers/run-tool.ts'
import { startStubElasticsearch } from '../../../test/helpers/stub-elasticsearch.ts'
import { temporaryFolder } from '../../../test/helpers/temporary-folder.ts'

// Every test starts the program several times.
vi.setConfig({ testTimeout: 90_000 })

async function writeConfig(folder: string, elasticsearch: string, http_port: number): Promise<string> {
  const path = join(folder, 'pipeline.json')
  const outputs = [{ elasticsearch: { hosts: elasticsearch, index: 'logs', document_id: '%{n}' } }]
  await writeFile(path, JSON.stringify({ inputs: [{ http: { host: '127.0.0.1', port: http_port } }], outputs }))
  return path
}

test('the program runs on while its dead letters are listed and sent again', async () => {
  await using folder = await temporaryFolder()
  const stub = await startStubElasticsearch()
  const is_refused = (source: string): boolean => /"n":"?[1-9]*[02468]\b/.test(source)
  stub.onBulk = () => ({
    item: ({ source }) =>
      is_refused(source)
        ? { status: 400, type: 'illegal_argument_exception', reason: 'pipeline with id [p] does not exist' }
        : undefined,
  })
  const port = await freePort()
  const config = await writeConfig(folder.path, stub.url, port)
  await using program = await Program.start({ args: ['-f', config], data: folder.path })
  const send = async (from: number, count: number): Promise<void> => {
    const events = Array.from({ length: count }, (_, n) => ({ n: from + n }))
    const answer = await fetch(`http://127.0.0.1:${port}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(events),
    })
    expect(answer.status).toBe(200)
  }
  const stored = (): number => stub.documents.get('logs')?.size ?? 0
  const letters = async (): Promise<number> => (await listLetters(folder.path)).letters
  await send(0, 20)
  await program.waitUntil('half of it is dead', async () => stored() === 10 && (await letters()) === 10)
  const samples = readSamples(await program.metrics())
  expect(samples).toContainEqual({
    name: 'millrace_dead_letters_total',
    labels: { pipeline: 'main', component: 'output_elasticsearch_1' },
    value: 10,
  })
  stub.onBulk = undefined
  const [{ code, stdout }] = await Promise.all([
    runTool(['dlq', 'replay', '-f', config, '--path.data', folder.path, '--json']),
    send(20, 20),
  ])
  expect([code, JSON.parse(stdout)]).toMatchObject([0, { done: 10, events: { stored: 10 } }])
  await program.waitUntil('all is stored', () => stored() === 40)
  expect(await letters()).toBe(0)
  stub.onBulk = () => ({ item: () => ({ status: 400, type: 'x_exception', reason: 'no' }) })
  await send(40, 3)
  await program.waitUntil('new dead letters', async () => (await letters()) === 3)
  expect((await program.stop()).code).toBe(0)
  await stub.close()
})

test('without the other side a replay waits; stopped, it leaves the letters as they are', async () => {
  await using folder = await temporaryFolder()
  const config = await writeConfig(folder.path, `http://127.0.0.1:${await freePort()}`, 0)
  await keepLetters(folder.path, [letterOf('x', '{"n":1}'), letterOf('x', '{"n":2}')])
  const args = ['dlq', 'replay', '-f', config, '--drain.timeout', '0', '--json']
  await using running = await Program.spawn({ args, data: folder.path })
  await running.waitUntil('it says what it waits for', () => running.stderr.includes('ECONNREFUSED'))
  expect((await running.stop()).code).toBe(1)
  expect(JSON.parse(running.stdout)).toMatchObject({ done: 0, failed_again: 0 })
  const { letters, groups } = await listLetters(folder.path)
  expect([letters, groups[0]?.['replays']]).toEqual([2, 0])
})
