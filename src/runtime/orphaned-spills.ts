import { readdir, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Log } from '../core/context.ts'
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

/** Says in the log which there are, and what can be done with them. Never rejects. */
export async function tellOrphanedSpills(
  data: string,
  owners: ReadonlyMap<string, readonly string[] | undefined>,
  log: Log,
): Promise<void> {
  for (const { folder, pipeline, output, size_bytes } of await orphanedSpills(data, owners)) {
    log.error(
      `spill_orphaned_${pipeline}_${output}`,
      `${folder} holds ${size_bytes} bytes of events that wait for an output which is not in the config any more: give an output ` +
        `of pipeline ${pipeline} the id ${output} and they are sent, or remove the folder and they are lost`,
    )
  }
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
