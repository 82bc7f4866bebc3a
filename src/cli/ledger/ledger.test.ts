import { expect, test } from 'vitest'
import { readBooks } from '../../../test/helpers/books.ts'
import { freePort } from '../../../test/helpers/free-port.ts'
import { Program } from '../../../test/helpers/program.ts'
import { runTool } from '../../../test/helpers/run-tool.ts'
import { startStubElasticsearch } from '../../../test/helpers/stub-elasticsearch.ts'
import type { LedgerView } from '../../ops/ledger.ts'
import { printLedger } from './print.ts'

/** The numbers of a line by its names; a line's first words are separated by two spaces. */
function lineOf(text: string, ...beginning: readonly string[]): string[] | undefined {
  const lines = text.split('\n').map((line) => line.split(/ {2,}/))
  return lines.find((cells) => beginning.every((word, index) => cells[index] === word))
}

const CONFIG = `
input {
  generator { id => "gen" count => 5 message => "a,b" codec => plain }
  heartbeat { id => "beat" interval => 3600 }
}
filter {
  if [message] == "a,b" { mutate { split => { "message" => "," } } split { field => "message" } }
}
output { if [message] == "a" { stdout { id => "out" } } }
`

test('a running program tells what became of its events, as a table and as JSON', async () => {
  await using program = await Program.start({ args: ['-e', CONFIG] })
  await program.waitUntil('the end of the events', async () =>
    (await program.metrics()).includes('millrace_events_total{pipeline="main",input="gen",state="stored"} 5'),
  )
  const { code, stdout, stderr } = await runTool(['ledger', '--api', program.apiUrl])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(lineOf(stdout, 'events')).toEqual([
    'events', 'pipeline', 'input', 'received', 'created', 'dead_lettered', 'dropped', 'unrouted', 'stored', 'already_there', 'consumed', 'held',
  ]) // biome-ignore format: a table's head
  expect(lineOf(stdout, 'last hour', 'main', 'gen')?.slice(3)).toEqual(['5', '10', '0', '0', '5', '5', '0', '5', '0'])
  expect(lineOf(stdout, 'since start', 'main', 'out')?.slice(3)).toEqual(['5', '5', '0', '0', '0', '0', '0'])
  expect(stdout).toContain('The books balance.')

  const json = await runTool(['ledger', '--json', '--api', program.apiUrl])
  const view = JSON.parse(json.stdout) as LedgerView
  expect(view).toMatchObject({ unbalanced: 0, deliveries: [{ output: 'out', handed: 5, unbalanced: 0 }] })
  expect(view.rows[0]?.events[0]).toMatchObject({ input: 'gen', received: 5, created: 10 })
})

test('each index has its own line, also with what was refused before it was sent', async () => {
  await using stack = new AsyncDisposableStack()
  const elasticsearch = await startStubElasticsearch()
  stack.defer(() => elasticsearch.close())
  const lines = ['2026-01-02 a', '2026-01-02 b', '2026-01-03 c', '2026-01-03'].map((text) => {
    const [day, id] = text.split(' ')
    return `'${JSON.stringify({ '@timestamp': `${day}T03:04:05.000Z`, id })}'`
  })
  const config = `
    input { generator { type => generated lines => [${lines.join(', ')}] count => 1 codec => json } heartbeat { interval => 3600 } }
    output { if [type] == "generated" { elasticsearch {
      id => "store" hosts => "${elasticsearch.url}" index => "logs-%{+yyyy.MM.dd}" document_id => "%{id}" manage_template => false
    } } }`
  await using program = await Program.start({ args: ['-e', config] })
  await program.waitUntil('the end of the events', async () => {
    const { outcomes } = await readBooks(program)
    return outcomes['stored'] === 3 && outcomes['dead_lettered'] === 1
  })
  const view = (await (await fetch(`${program.apiUrl}/api/ledger`)).json()) as LedgerView
  expect(view.deliveries[0]?.targets.toSorted((a, b) => (a.target < b.target ? -1 : 1))).toMatchObject([
    { target: 'logs-2026.01.02', outcomes: { stored: 2, dead_lettered: 0 } },
    { target: 'logs-2026.01.03', outcomes: { stored: 1, dead_lettered: 1 } },
  ])
  const { stdout } = await runTool(['ledger', '--api', program.apiUrl])
  expect(lineOf(stdout, 'index')?.slice(1)).toEqual(['output', 'stored', 'already_there', 'dead_lettered', 'dropped', 'consumed'])
  expect(lineOf(stdout, 'logs-2026.01.02', 'store')?.slice(2)).toEqual(['2', '0', '0', '0', '0'])
  expect(lineOf(stdout, 'logs-2026.01.03', 'store')?.slice(2)).toEqual(['1', '0', '1', '0', '0'])
})

test('without a program it says where it looked', async () => {
  const port = await freePort()
  const { code, stderr } = await runTool(['ledger', '--api', `127.0.0.1:${port}`])
  expect(code).toBe(1)
  expect(stderr).toContain(`no answer from http://127.0.0.1:${port} (`)
})

test('books that do not balance are told loudly, and names cannot move the terminal', () => {
  const outcomes = { stored: 1 }
  const text = printLedger({
    started: '2026-01-02T03:04:05.000Z',
    now: '2026-01-02T03:05:05.000Z',
    events: [],
    deliveries: [
      {
        pipeline: 'main',
        output: 'out',
        handed: 2,
        outcomes,
        held: 0,
        unbalanced: 1,
        targets: [{ target: 'a\u001b[2J', outcomes, last_event: '2026-01-02T03:04:05.000Z' }],
      },
    ],
    unbalanced: 1,
    rows: [],
  })
  expect(text).toContain('THE BOOKS DO NOT BALANCE: 1 events')
  expect(text).toContain('a\\x1b[2J')
})

test('where the API wants a token it is asked for, and taken from the address', async () => {
  const config = 'input { heartbeat { interval => 3600 } } output { null {} }'
  await using program = await Program.start({ args: ['-e', config], env: { MILLRACE_API_TOKEN: 't0ken' } })
  const { host } = new URL(program.apiUrl)
  const refused = await runTool(['ledger', '--api', `http://any:wr0ng@${host}`])
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining(`http://${host} wants to know who asks`) })
  expect(await runTool(['ledger', '--api', `http://any:t0ken@${host}`])).toMatchObject({ code: 0, stderr: '' })
  expect(program.stderr + program.stdout + refused.stderr).not.toMatch(/t0ken|wr0ng/)
})
