import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { LoadedPipeline } from '../../config/load.ts'
import type { Log } from '../../core/context.ts'
import { folderName } from '../../runtime/spill.ts'
import { adoptQueues } from '../../storage/adopt-queues.ts'
import { WORKER_QUEUES } from '../prepare-pipeline.ts'

const FOLDER = 'workers'

/** Where a worker keeps what is its own: the first one where a program without workers does. */
export function workerFolder(data: string, index: number): string {
  return index === 0 ? data : join(data, FOLDER, String(index))
}

/**
 * Events that wait on the disk for a worker that an earlier run had and this one has not go to the first worker.
 * @param workersOf in how many workers each pipeline runs, by its id; one that is not named in one
 * @throws MillraceError STORAGE_CORRUPT, STORAGE_FULL, STORAGE_WRITE_FAILED
 */
export async function adoptLeftovers(
  data: string,
  read: readonly LoadedPipeline[],
  workersOf: ReadonlyMap<string, number>,
  log: Log,
): Promise<void> {
  const kept = new Map([...workersOf].map(([id, workers]) => [folderName(id), workers]))
  const report = (path: string, torn_bytes: number, why: string): void =>
    log.error('events_damaged', `${path}: ${torn_bytes} bytes of events cannot be read: ${why}`)
  for (const { from, to } of placesIn(data, read)) {
    for (const worker of await namesIn(from(''))) {
      for (const pipeline of await namesIn(from(worker))) {
        if (Number(worker) < (kept.get(pipeline) ?? 1)) continue
        const folder = join(from(worker), pipeline)
        log.info('events_adopted', `worker 0 takes over what waits in ${folder}, for worker ${worker} does not run`)
        await adoptQueues(folder, join(to, pipeline), report)
      }
    }
  }
}

interface Place {
  /** The folder of a worker in which each pipeline has one; of '' the folder that has those of all workers. */
  readonly from: (worker: string) => string
  /** The same of the first worker. */
  readonly to: string
}

function placesIn(data: string, read: readonly LoadedPipeline[]): Place[] {
  const ofData = ['spill', 'queue'].map((section) => ({
    from: (worker: string) => join(data, FOLDER, worker, worker === '' ? '' : section),
    to: join(data, section),
  }))
  const elsewhere = new Set(read.flatMap(({ plan }) => plan.settings.path_queue ?? []))
  return [
    ...ofData,
    ...[...elsewhere].map((queues) => ({ from: (worker: string) => join(queues, WORKER_QUEUES, worker), to: queues })),
  ]
}

async function namesIn(folder: string): Promise<string[]> {
  return await readdir(folder).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'ENOENT' || thrown.code === 'ENOTDIR') return []
    throw thrown
  })
}
