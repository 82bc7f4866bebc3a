import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import type { Json } from '../../storage/positions.ts'

/** Enough to tell two logs apart whose first lines are headers of some length; one read. */
const FINGERPRINT_BYTES_MAX = 1_024

/** Up to where a file was read and stored. Kept by device and inode, so that a new name changes nothing. */
export type FilePosition = {
  /** For people. */
  readonly path: string
  /** What comes next: a byte of the file, or an element where the file is one JSON list. */
  readonly offset: number
  /** Goes up when the file begins anew (emptied, or its inode given to another file), so that ids never repeat. */
  readonly generation: number
  /** The file's name in the ids of its events: made once, for the host's name and device numbers can change. */
  readonly id: string
  /** Of the first bytes: tells a file from its successor with the same inode. */
  readonly fingerprint: Fingerprint
  readonly seen_ms: number
}

export type Fingerprint = { readonly bytes: number; readonly hash: string }

export const NO_FINGERPRINT: Fingerprint = { bytes: 0, hash: '' }

export function isFilePosition(value: Json): value is FilePosition {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const { path, offset, generation, id, fingerprint, seen_ms } = value as { readonly [name: string]: Json | undefined }
  return (
    typeof path === 'string' &&
    typeof id === 'string' &&
    [offset, generation, seen_ms].every((number) => typeof number === 'number' && number >= 0) &&
    typeof fingerprint === 'object' &&
    fingerprint !== null
  )
}

/**
 * Compares a file's first bytes with what they were. Returns its fingerprint of now, which takes in what a
 * young file has got since, or `undefined` where the file is another one.
 */
export async function checkFingerprint(file: FileHandle, known: Fingerprint): Promise<Fingerprint | undefined> {
  const head = Buffer.alloc(FINGERPRINT_BYTES_MAX)
  const { bytesRead } = await file.read(head, 0, head.length, 0)
  if (bytesRead < known.bytes || (known.bytes > 0 && hashOf(head.subarray(0, known.bytes)) !== known.hash)) return undefined
  return bytesRead === known.bytes ? known : { bytes: bytesRead, hash: hashOf(head.subarray(0, bytesRead)) }
}

function hashOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 16)
}
