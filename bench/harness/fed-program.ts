import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Program } from '../../test/helpers/program.ts'
import { temporaryFolder } from '../../test/helpers/temporary-folder.ts'
import { spread } from './compare.ts'
import { SAMPLE_DATABASE } from './located.ts'
import type { NullServer } from './null-server.ts'
import { cpuBetween } from './process-usage.ts'

export interface Feed {
  /** Of a pipeline whose input needs no sender. */
  readonly config: object
  /** Enough that everything is compiled that will be. */
  readonly warm_up: number
  readonly events: number
  /** So many times as many, one after the other; the median counts. Few events come to the server in a few lumps. Default 1. */
  readonly times?: number
}

/** Starts a program with the config and tells what an event costs it, in microseconds of processor time. */
export async function cpuOfFed(server: NullServer, { config, warm_up, events, times = 1 }: Feed): Promise<number> {
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'pipeline.json')
  await writeFile(file, JSON.stringify(config))
  const before = await server.documents()
  await using program = await Program.spawn({ args: ['-f', file], env: { MILLRACE_GEOIP_DATABASE: SAMPLE_DATABASE } })
  const costs_us: number[] = []
  for (let time = 0; time < times; time++) {
    const used_s = await cpuBetween(program.pid, server, before, warm_up + time * events, events)
    costs_us.push((used_s * 1e6) / events)
  }
  return spread(costs_us).median
}

/** The filters of the default pipeline, for events whose lines are decoded. */
export const DEFAULT_FILTERS: readonly object[] = [
  { date: { match: ['ts', 'ISO8601'] } },
  { mutate: { add_field: { '[@metadata][index]': 'exchange-logs-%{+YYYY.MM.dd}' } } },
  { if: '[ip]', then: [{ geoip: { source: 'ip' } }] },
  { if: '[level] == "error"', then: [counter('exchange_log_errors_total', 'service')] },
  { if: '[duration] and [duration] > 1000', then: [counter('exchange_slow_queries_total', 'endpoint')] },
]

function counter(name: string, label: string): object {
  return { metric: { type: 'counter', name, help: name, labels: { [label]: `%{${label}}` } } }
}
