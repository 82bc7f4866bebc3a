import { glob, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** The files that one `path.config` stands for, sorted by name. */
export interface FoundFiles {
  readonly files: readonly string[]
  /** Backups of editors (`x.conf~`), which Logstash leaves out too. */
  readonly skipped: readonly string[]
}

/** A file as it is named; all files of a folder; all files that a glob matches. Folders inside are left out. */
export async function findFiles(path: string): Promise<FoundFiles> {
  const files: string[] = []
  const skipped: string[] = []
  for (const candidate of (await candidates(path)).sort()) {
    if (!(await stat(candidate).catch(() => undefined))?.isFile()) continue
    if (candidate.endsWith('~') && candidate !== path) skipped.push(candidate)
    else files.push(candidate)
  }
  return { files, skipped }
}

async function candidates(path: string): Promise<string[]> {
  const named = await stat(path).catch(() => undefined)
  if (named?.isDirectory() === true)
    return (await readdir(path)).filter((name) => !name.startsWith('.')).map((name) => join(path, name))
  if (named !== undefined) return [path]
  return await Array.fromAsync(glob(path))
}
