import { join } from 'node:path'
import type { BlockedPolicy } from '../compile/output.ts'
import type { Paths } from '../core/context.ts'
import type { PipelineSettings } from '../core/plan.ts'
import type { OverflowSettings } from './overflow.ts'
import { folderName, spillFolder } from './spill.ts'

/** Memory that the waiting events of an output may stand for before they are moved elsewhere. */
const WAITING_BYTES_MAX = 32 * 1024 * 1024

/** What is done with events that wait while their output takes none. */
export interface BlockedSettings extends Pick<OverflowSettings, 'when_blocked' | 'blocked_after_ms' | 'memory_bytes_max'> {
  readonly spill_max_bytes: number
  /** Where they wait on the disk; `undefined`: nowhere. */
  readonly spill_folder: string | undefined
}

/** Fills in what the options of an output leave open. */
export function blockedSettings(
  output: string,
  policy: BlockedPolicy | undefined,
  { id, max_in_flight_bytes }: PipelineSettings,
  output_count: number,
  { data, dry_run }: Paths,
): BlockedSettings {
  const memory_bytes_max = Math.min(WAITING_BYTES_MAX, max_in_flight_bytes / 2)
  if (policy === undefined || dry_run === true) {
    return { when_blocked: 'block', blocked_after_ms: 0, memory_bytes_max, spill_max_bytes: 0, spill_folder: undefined }
  }
  return {
    ...policy,
    // One output alone has nobody to hold up, and its senders keep what they have.
    when_blocked: policy.when_blocked ?? (output_count > 1 ? 'spill' : 'block'),
    memory_bytes_max,
    spill_folder: join(spillFolder(data), folderName(id), folderName(output)),
  }
}
