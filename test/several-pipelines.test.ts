import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { freePort } from './helpers/free-port.ts'
import { Program } from './helpers/program.ts'
import { temporaryFolder } from './helpers/temporary-folder.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
beforeEach(async () => {
  folder = await temporaryFolder()
})
afterEach(async () => {
  await folder[Symbol.asyncDispose]()
})

/** The program with a `pipelines.yml` of these pipelines. */
async function spawn(pipelines: { readonly [id: string]: string }, flags: readonly string[] = []): Promise<Program> {
  const entries = Object.entries(pipelines).map(([id, text]) => ({ 'pipeline.id': id, 'config.string': text }))
  // JSON is YAML.
  await writeFile(join(folder.path, 'pipelines.yml'), JSON.stringify(entries))
  return await Program.spawn({ args: ['--path.settings', folder.path, ...flags] })
}

async function linesOf(name: string): Promise<string[]> {
  const text = await readFile(join(folder.path, name), 'utf8')
  return text.split('\n').filter((line) => line !== '')
}

/** The last log record of a kind. */
function record({ stderr }: Program, kind: string): { readonly [name: string]: unknown } | undefined {
  const records = stderr.split('\n').flatMap((line) => {
    try {
      return [JSON.parse(line) as { readonly [name: string]: unknown }]
    } catch {
      return []
    }
  })
  return records.findLast((one) => one['kind'] === kind)
}

const generate = 'input { generator { lines => ["a", "b"] count => 1 } }'
const writeTo = (name: string): string =>
  `output { file { path => "${join(folder.path, name)}" codec => line { format => "%{message}%{mark}" } } }`

function forked(): { readonly [id: string]: string } {
  return {
    main: `${generate} output { pipeline { send_to => [all, some] } }`,
    all: `input { pipeline { address => all } } filter { mutate { add_field => { mark => "!" } } } ${writeTo('all')}`,
    some: `input { pipeline { address => some } } filter { if [message] == "a" { drop {} } mutate { add_field => { mark => "?" } } } ${writeTo('some')}`,
  }
}

test('pipelines of one program hand on to each other, and end when all is stored', async () => {
  await using program = await spawn(forked())
  expect((await program.exited).code).toBe(0)
  expect(await linesOf('all')).toEqual(['a!', 'b!'])
  expect(await linesOf('some')).toEqual(['b?'])
  // Two came, and what became of their copies.
  expect(record(program, 'stopped')).toMatchObject({ received: 2, stored: 3, dropped: 1, unbalanced: 0, held: 0 })
})

test('a pipeline that is wrong does not keep the others from running, and the exit code tells', async () => {
  await using program = await spawn({ ...forked(), broken: 'input { generatr { } } output { null { } }' })
  expect((await program.exited).code).toBe(1)
  expect(await linesOf('all')).toEqual(['a!', 'b!'])
  expect(program.stderr).toContain('the pipeline broken does not run')
  expect(program.stderr).toContain("Couldn't find any input plugin named 'generatr'")
})

test('one that cannot start, for its port is taken, does not either', async () => {
  const port = await freePort()
  const server = createServer().listen(port, '127.0.0.1')
  try {
    const taken = `input { tcp { host => "127.0.0.1" port => ${port} } } output { null { } }`
    await using program = await spawn({ ...forked(), taken })
    expect((await program.exited).code).toBe(1)
    expect(await linesOf('some')).toEqual(['b?'])
    expect(program.stderr).toContain('the pipeline taken does not run')
  } finally {
    server.close()
  }
})

test('where none can run the program says why and ends', async () => {
  const broken = 'input { generatr { } } output { null { } }'
  await using program = await spawn({ one: broken, two: broken.replace('generatr', 'stdinn') })
  expect((await program.exited).code).toBe(1)
  expect(program.stderr).toContain("named 'generatr'")
  expect(program.stderr).toContain("named 'stdinn'")
})

test('a check tells what is wrong in any of them', async () => {
  await using good = await spawn(forked(), ['-t'])
  expect(await good.exited).toMatchObject({ code: 0 })
  expect(good.stdout).toContain('Configuration OK')
  await using bad = await spawn({ ...forked(), again: 'input { pipeline { address => all } } output { null { } }' }, ['-t'])
  expect(await bad.exited).toMatchObject({ code: 1 })
  expect(bad.stderr).toContain('"all" is in use by an input of the pipeline all')
})

test('ledgers and live page tell the pipelines apart', async () => {
  const idle = 'input { pipeline { address => idle } } output { null { } }'
  await writeFile(
    join(folder.path, 'pipelines.yml'),
    JSON.stringify([
      { 'pipeline.id': 'a', 'config.string': idle.replace('idle', 'other') },
      { 'pipeline.id': 'b', 'config.string': idle },
    ]),
  )
  await using program = await Program.start({ args: ['--path.settings', folder.path] })
  const metrics = await program.metrics()
  for (const pipeline of ['a', 'b']) {
    expect(metrics).toContain(`millrace_ledger_unbalanced_events{pipeline="${pipeline}"} 0`)
    expect(metrics).toContain(`millrace_deliveries_held{pipeline="${pipeline}",output="output_null_1"} 0`)
  }
  const status = (await (await fetch(`${program.apiUrl}/api/status`)).json()) as { pipeline: string; outputs: { id: string }[] }
  expect(status.pipeline).toBe('a, b')
  expect(status.outputs.map(({ id }) => id)).toEqual(['a/output_null_1', 'b/output_null_1'])
  expect((await program.stop()).code).toBe(0)
})
