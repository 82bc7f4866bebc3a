import { type FileHandle, mkdir, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { MillraceError, messageOf } from '../core/errors.ts'

/** Writes all of the bytes: one write may take fewer. */
export async function writeWhole(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  let written = 0
  while (written < bytes.length) {
    const { bytesWritten } = await file.write(bytes, written, bytes.length - written, position + written)
    written += bytesWritten
  }
}

/** Makes names in a folder durable: a file that was fsynced can still be missing after a power failure without it. */
export async function syncFolder(folder: string): Promise<void> {
  // Windows cannot open a folder; NTFS journals names by itself.
  if (process.platform === 'win32') return
  await using handle = await open(folder, 'r')
  await handle.sync()
}

/** The folders that `mkdir` had to make are names in their parents too. */
export async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true })
  if (first !== undefined) await syncFolder(dirname(first))
}

const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

/** What a failed write means to the caller. */
export function writeError(where: string, thrown: unknown): MillraceError {
  if (thrown instanceof MillraceError) return thrown
  const full = FULL.has((thrown as NodeJS.ErrnoException).code ?? '')
  return full
    ? new MillraceError('STORAGE_FULL', `${where}: the disk is full: make room, then writing goes on by itself`, {
        cause: thrown,
      })
    : new MillraceError('STORAGE_WRITE_FAILED', `${where}: cannot write: ${messageOf(thrown)}`, { cause: thrown })
}
