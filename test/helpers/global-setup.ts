import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestProject } from 'vitest/node'
import { type ElasticsearchServer, type KafkaServer, startElasticsearch, startKafka, type Unavailable } from './servers.ts'

type Started = KafkaServer | ElasticsearchServer | Unavailable

/** Each server that test files may share, by the name that shared-servers.ts asks for. */
const STARTERS: ReadonlyMap<string, () => Promise<Started>> = new Map([
  ['kafka', (): Promise<Started> => startKafka()],
  ['elasticsearch-8', (): Promise<Started> => startElasticsearch({ major: 8 })],
  ['elasticsearch-9', (): Promise<Started> => startElasticsearch({ major: 9 })],
])

/**
 * Vitest's global set-up and tear-down: a server is started when the first test file asks for it, once for the whole run,
 * and stopped at its end. A run without such tests starts nothing.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const started = new Map<string, Promise<Started>>()
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const name = request.url?.slice(1) ?? ''
    const start = STARTERS.get(name)
    if (start === undefined) {
      response.writeHead(404).end(`no shared server is called ${name}`)
      return
    }
    try {
      const server = started.get(name) ?? start()
      started.set(name, server)
      response.end(JSON.stringify(await server))
    } catch (error) {
      response.writeHead(500).end(String(error))
    }
  }
  const control = createServer((request, response) => {
    // `answer` catches everything and answers with it.
    void answer(request, response)
  })
  control.requestTimeout = 0
  control.listen(0, '127.0.0.1')
  await once(control, 'listening')
  project.provide('serversUrl', `http://127.0.0.1:${(control.address() as AddressInfo).port}`)
  return async () => {
    control.close()
    control.closeAllConnections()
    const servers = await Promise.allSettled(started.values())
    const stop = async (server: Started): Promise<void> => {
      if (!('unavailable' in server)) await server[Symbol.asyncDispose]()
    }
    await Promise.all(servers.map(async (server) => (server.status === 'fulfilled' ? stop(server.value) : undefined)))
  }
}
