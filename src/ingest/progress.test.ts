import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { waitFor } from '../../test/helpers/wait-for.ts'
import { Progress } from './progress.ts'

test('what was silent before a pause counts, and the pause does not', async () => {
  const began_ms = performance.now()
  const stalled = Promise.withResolvers<number>()
  const progress = new Progress(400, () => stalled.resolve(performance.now() - began_ms))
  // As often as others keep the gate busy.
  let is_paused = false
  const flapping = setInterval(() => {
    is_paused = !is_paused
    if (is_paused) progress.pause()
    else progress.resume()
  }, 20)
  const after_ms = await stalled.promise
  clearInterval(flapping)
  progress.stop()
  expect(after_ms).toBeGreaterThan(600)
})

test('what came while this process stood still is read before anybody is judged', async () => {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new TypeError('it does not listen')
  const accepted = once(server, 'connection')
  const client = connect(address.port, '127.0.0.1')
  const connected = once(client, 'connect')
  const [socket] = (await accepted) as [Socket]
  let stalled = 0
  let came = 0
  const progress = new Progress(200, () => {
    if (came === 0) stalled++
  })
  socket.on('data', () => {
    came++
    progress.made()
  })
  await connected
  client.write('x')
  const until_ms = performance.now() + 400
  while (performance.now() < until_ms);
  await waitFor('the byte', () => came > 0 || undefined)
  progress.stop()
  client.destroy()
  server.close()
  expect(stalled).toBe(0)
})

test('a time-out that no timer can be set to is a long one', async () => {
  const warnings: Error[] = []
  const hear = (warning: Error): void => void warnings.push(warning)
  process.on('warning', hear)
  let stalled = 0
  const progress = new Progress(31_536_000_000, () => {
    stalled++
  })
  await delay(30)
  progress.stop()
  process.off('warning', hear)
  expect(stalled).toBe(0)
  expect(warnings).toEqual([])
})
