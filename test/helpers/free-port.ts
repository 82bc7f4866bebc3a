import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * Below the range from which the kernel takes ports for outgoing connections, so that nobody takes the port of a server
 * that is down for a moment: it must come back on the same one.
 */
const LOWEST_PORT = 15_000
const HIGHEST_PORT = 32_000
const ATTEMPTS = 100

/** For so long nobody else gets the port: until its server listens, other processes of tests would find it free too. */
const CLAIM_MS = 10 * 60_000

/** A port of 127.0.0.1 that nobody listens on, for a server that must know its port before it starts. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = randomInt(LOWEST_PORT, HIGHEST_PORT)
    if (claim(port) && (await isFree(port))) return port
  }
  throw new Error(`no free port between ${LOWEST_PORT} and ${HIGHEST_PORT} on 127.0.0.1 after ${ATTEMPTS} attempts`)
}

/** Takes the port, unless it is taken: a file stands for each that somebody on this machine has claimed. */
function claim(port: number): boolean {
  const folder = join(tmpdir(), 'millrace-test-ports')
  const file = join(folder, String(port))
  try {
    mkdirSync(folder, { recursive: true })
    if (Date.now() - (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Date.now()) > CLAIM_MS) rmSync(file, { force: true })
    writeFileSync(file, '', { flag: 'wx' })
    return true
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'EEXIST') return false
    throw thrown
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    server.close()
    await once(server, 'close')
    return true
  } catch {
    return false
  }
}
