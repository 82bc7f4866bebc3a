import { createHash } from 'node:crypto'
import { mkdir, realpath } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MillraceError, messageOf } from '../core/errors.ts'

/**
 * Keeps a second program out of a data folder: two that append to one dead-letter segment overwrite each other's entries.
 *
 * The lock is a socket whose name is made of the folder's real path. The system takes it away with the process, so a
 * `kill -9` leaves nothing behind. It holds within one machine (in containers: within one network namespace).
 * @param setting that names the folder, for messages
 * @throws MillraceError STORAGE_IN_USE, STORAGE_WRITE_FAILED for a folder that cannot be made
 */
export async function lockFolder(folder: string, setting = 'path.data'): Promise<AsyncDisposable> {
  const path = await makeFolder(folder, setting)
  const server = createServer((socket) => socket.destroy())
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', (thrown: NodeJS.ErrnoException) =>
    reject(thrown.code === 'EADDRINUSE' ? inUse(folder, setting, thrown) : unusable(folder, setting, thrown)),
  )
  server.listen(socketName(path), resolve)
  await promise
  // The lock is no reason for the process to stay.
  server.unref()
  return {
    [Symbol.asyncDispose]: () =>
      new Promise((closed) => {
        server.close(() => closed())
      }),
  }
}

async function makeFolder(folder: string, setting: string): Promise<string> {
  try {
    await mkdir(folder, { recursive: true })
    return await realpath(folder)
  } catch (thrown) {
    throw unusable(folder, setting, thrown)
  }
}

function inUse(folder: string, setting: string, cause: unknown): MillraceError {
  const message = `another millrace uses the folder ${folder}: stop it, or give this one its own with --${setting} DIR`
  return new MillraceError('STORAGE_IN_USE', message, { cause })
}

function unusable(folder: string, setting: string, cause: unknown): MillraceError {
  const message = `the data folder ${folder} cannot be used: ${messageOf(cause)}. Name another one with --${setting} DIR`
  return new MillraceError('STORAGE_WRITE_FAILED', message, { cause })
}

function socketName(path: string): string {
  const name = `millrace-${createHash('sha256').update(path).digest('hex').slice(0, 32)}`
  // The first is a name without a file, which Linux keeps as long as the socket is open.
  if (process.platform === 'linux') return `\0${name}`
  return process.platform === 'win32' ? `\\\\.\\pipe\\${name}` : join(tmpdir(), `${name}.sock`)
}
