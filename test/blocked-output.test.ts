import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { freePort } from './helpers/free-port.ts'
import { Program } from './helpers/program.ts'
import { startStubElasticsearch } from './helpers/stub-elasticsearch.ts'
import { temporaryFolder } from './helpers/temporary-folder.ts'
import { waitFor } from './helpers/wait-for.ts'

test('what is on the disk for an Elasticsearch that is down survives kill -9, and is stored once each under the ids it had', async () => {
  await using folder = await temporaryFolder()
  const [port, elasticsearch_port] = [await freePort(), await freePort()]
  const config = join(folder.path, 'pipeline.conf')
  await writeFile(
    config,
    `input { http { port => ${port} host => "127.0.0.1" codec => json } }
     output {
       elasticsearch { hosts => ["http://127.0.0.1:${elasticsearch_port}"] index => "logs" document_id => "%{n}" when_blocked => spill blocked_after_ms => 50 }
     }`,
  )
  const data = join(folder.path, 'data')
  const start = () => Program.spawn({ args: ['-f', config], data })
  const program = await start()
  for (let n = 0; n < 20; n++) {
    const body = JSON.stringify({ n })
    const headers = { 'content-type': 'application/json' }
    // Answered although nothing is stored yet.
    const post = () => fetch(`http://127.0.0.1:${port}`, { method: 'POST', body, headers })
    await program.waitUntil('an answer', async () => (await post()).status === 200)
  }
  await program.kill()
  const stub = await startStubElasticsearch({ port: elasticsearch_port })
  try {
    await using _again = await start()
    await waitFor('all documents', () => stub.documents.get('logs')?.size === 20)
    const stored = stub.bulks.flatMap(({ items }) => items.map(({ id }) => id))
    expect(stored.map(Number).toSorted((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, n) => n))
  } finally {
    await stub.close()
  }
})
