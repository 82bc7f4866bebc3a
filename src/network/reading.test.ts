import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import { expect, test } from 'vitest'
import { TEST_AUTHORITY, TEST_SERVER } from '../../test/helpers/test-certificates.ts'
import { waitFor } from '../../test/helpers/wait-for.ts'
import { startReading, stopReading } from './reading.ts'

const SENT_BYTES = 16 * 1024 * 1024
interface Kind {
  readonly name: string
  /** What may come with the end of a handshake, before anybody can say stop. */
  readonly ahead_bytes_max: number
  create(): Server
  connect(port: number): Socket
}

const KINDS: readonly Kind[] = [
  { name: 'TCP', ahead_bytes_max: 0, create: () => createServer(), connect: (port) => connect(port, '127.0.0.1') },
  {
    name: 'TLS',
    ahead_bytes_max: 64 * 1024,
    create: () => createTlsServer({ ...TEST_SERVER }),
    connect: (port) => connectTls({ port, host: '127.0.0.1', ca: TEST_AUTHORITY, checkServerIdentity: () => undefined }),
  },
]

test.each(KINDS)('$name: nothing is read while it is stopped, and all of it afterwards, also again and again', async (kind) => {
  const server = kind.create().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const accepted = once(server, kind.name === 'TLS' ? 'secureConnection' : 'connection') as Promise<[Socket]>
  const client = kind.connect((server.address() as AddressInfo).port)
  client.write(Buffer.alloc(SENT_BYTES, 'x'))
  const [socket] = await accepted
  let received_bytes = 0
  let reads = 0
  let ahead_bytes = 0
  stopReading(socket)
  socket.on('data', ({ length }: Buffer) => {
    received_bytes += length
    reads++
    // Every tenth read it stops, for a moment.
    if (reads % 10 !== 0) return
    stopReading(socket)
    setTimeout(() => {
      ahead_bytes = Math.max(ahead_bytes, socket.readableLength)
      startReading(socket)
    }, 2)
  })
  // Another connection's whole way is long enough for a read that should not be.
  for (let round = 0; round < 5; round++) {
    const other = kind.connect((server.address() as AddressInfo).port)
    await once(other, kind.name === 'TLS' ? 'secureConnect' : 'connect')
    other.destroy()
  }
  expect(received_bytes).toBe(0)
  expect(socket.readableLength).toBeLessThanOrEqual(kind.ahead_bytes_max)
  startReading(socket)
  await waitFor('all of it', () => received_bytes === SENT_BYTES)
  expect(ahead_bytes).toBeLessThanOrEqual(kind.ahead_bytes_max)
  client.destroy()
  server.close()
})
