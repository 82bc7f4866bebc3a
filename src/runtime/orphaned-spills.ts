import { readdir, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { folderName, spillFolder } from './spill.ts'

/** Events on the disk that belong to no output any more. */
export interface OrphanedSpill {
  readonly folder: string
  /** Names of folders, which are the ids where these are short and plain. */
  readonly pipeline: string
  readonly output: string
  readonly size_bytes: number
}

/**
 * Finds spilled events of outputs that were renamed or removed: nobody brings them to their end.
 * `owners`: the outputs of each pipeline; `undefined` where they are not known, then all of it is theirs.
 */
export async function orphanedSpills(
  data: string,
  owners: ReadonlyMap<string, readonly string[] | undefined>,
): Promise<OrphanedSpill[]> {
  const root = resolve(spillFolder(data))
  const outputsOf = new Map([...owners].map(([pipeline, outputs]) => [folderName(pipeline), outputs?.map(folderName)]))
  const orphans: OrphanedSpill[] = []
  for (const pipeline of await namesIn(root)) {
    const outputs = outputsOf.get(pipeline)
    if (outputs === undefined && outputsOf.has(pipeline)) continue
    for (const output of await namesIn(join(root, pipeline))) {
      if (outputs?.includes(output) === true) continue
      const folder = join(root, pipeline, output)
      const size_bytes = await sizeOf(folder)
      if (size_bytes > 0) orphans.push({ folder, pipeline, output, size_bytes })
    }
  }
  return orphans
}

async function sizeOf(folder: string): Promise<number> {
  let size_bytes = 0
  for (const name of await namesIn(folder, { recursive: true })) {
    const found = await stat(join(folder, name)).catch(() => undefined)
    if (found?.isFile() === true && name.endsWith('.segment')) size_bytes += found.size
  }
  return size_bytes
}

/** None where there is no such folder, or none that can be read. */
async function namesIn(folder: string, options: { readonly recursive?: boolean } = {}): Promise<string[]> {
  return await readdir(folder, options).catch(() => [])
}
