import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { EcsCompatibility } from '../../src/core/plan.ts'

/** What Logstash did with a config and some lines (README.md). */
export interface Case {
  readonly name: string
  readonly ecs_compatibility: EcsCompatibility
  readonly config: string
  /** The lines that the input read. */
  readonly input: readonly Buffer[]
  readonly output: readonly string[]
  readonly outcome: string | undefined
  readonly error: string | undefined
  readonly volatile: readonly string[]
}

interface RecordedCase extends Omit<Case, 'input' | 'volatile' | 'outcome' | 'error'> {
  readonly input?: readonly string[]
  readonly input_base64?: readonly string[]
  readonly outcome?: string
  readonly error?: string
  readonly volatile?: readonly string[]
}

/** The day on which the cases were recorded: configs see this clock, for some outputs hold the day. */
export const RECORDED_MS = Date.UTC(2026, 10, 22, 12, 40, 41, 757)

/** Where the geoip databases are looked for. */
export const DATABASES = process.env['MMDB'] ?? join(import.meta.dirname, '../../../shared/data/mmdb')

/** All cases of a folder's `*.jsonl`, by name of file. */
export function readCases(folder: string): Case[] {
  const files = globSync('*.jsonl', { cwd: folder }).toSorted()
  return files.flatMap((file) =>
    readFileSync(join(folder, file), 'utf8')
      .split('\n')
      .filter((line) => line.trim() !== '')
      .map(readCase),
  )
}

function readCase(line: string): Case {
  const recorded = JSON.parse(line) as RecordedCase
  const { input = [], input_base64 } = recorded
  return {
    ...recorded,
    input: input_base64?.map((text) => Buffer.from(text, 'base64')) ?? input.map((text) => Buffer.from(text)),
    outcome: recorded.outcome,
    error: recorded.error,
    volatile: recorded.volatile ?? [],
  }
}

export function needsDatabases({ config }: Case): boolean {
  return config.includes('$MMDB')
}

/** The config as it was run: with the folder of the databases in it. */
export function configOf({ config }: Case, databases: string): string {
  return config.replaceAll('$MMDB', databases)
}

/** Whether it ran with `config.support_escapes`: the only setting beside `ecs_compatibility`, told by the name. */
export function wasRunWithEscapes({ name }: Case): boolean {
  return name.includes('support_escapes')
}
