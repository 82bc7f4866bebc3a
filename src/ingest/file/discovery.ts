import { glob, stat } from 'node:fs/promises'
import { basename, matchesGlob } from 'node:path'

/** A regular file that a pattern found. */
export interface FoundFile {
  readonly path: string
  /** Which file it is, whatever its name: device and inode. */
  readonly key: string
  readonly size_bytes: number
  readonly modified_ms: number
}

export interface Patterns {
  /** Absolute. */
  readonly paths: readonly string[]
  /** Against the name without its folders. */
  readonly excludes: readonly string[]
  readonly sort_by: 'last_modified' | 'path'
  readonly descending: boolean
}

/** The files there are now, each once, in the order in which they are to be read. Unreadable folders are empty. */
export async function findFiles({ paths, excludes, sort_by, descending }: Patterns): Promise<FoundFile[]> {
  const found = new Map<string, FoundFile>()
  for (const pattern of paths) {
    for await (const path of matches(pattern)) {
      if (excludes.some((exclude) => matchesGlob(basename(path), exclude))) continue
      const file = await look(path)
      // Two names for one file (links) are one file.
      if (file !== undefined && !found.has(file.key)) found.set(file.key, file)
    }
  }
  const sign = descending ? -1 : 1
  return [...found.values()].sort(
    (a, b) => sign * (sort_by === 'path' ? compare(a.path, b.path) : a.modified_ms - b.modified_ms || compare(a.path, b.path)),
  )
}

/** What is at a path, where it is a regular file. */
export async function look(path: string): Promise<FoundFile | undefined> {
  try {
    const stats = await stat(path, { bigint: true })
    if (!stats.isFile()) return undefined
    return { path, key: `${stats.dev}:${stats.ino}`, size_bytes: Number(stats.size), modified_ms: Number(stats.mtimeMs) }
  } catch {
    // Gone between finding and looking, or not ours to see: not there.
    return undefined
  }
}

const HAS_PATTERN = /[*?[\]{}]/

async function* matches(pattern: string): AsyncGenerator<string, void, void> {
  if (!HAS_PATTERN.test(pattern)) yield pattern
  else yield* glob(pattern)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
