import { setTimeout as wait } from 'node:timers/promises'
import type { CompiledPipeline } from '../compile/pipeline.ts'
import type { Plan } from '../core/plan.ts'
import type { ComponentStatus, Status, StatusSource } from '../ops/status.ts'
import type { Pipeline } from '../runtime/pipeline.ts'
import type { ContextFactory } from './context-factory.ts'

interface Sources {
  readonly pipeline: Pipeline
  readonly compiled: CompiledPipeline
  readonly plan: Plan
  readonly factory: ContextFactory
  readonly data: string
  readonly version: string
}

/** Inputs that listen do so within milliseconds; the greeting waits no longer than this for them. */
const LISTENING_WAIT_MS = 2_000

/** Resolves once every input that listens does so, or after a while. */
export async function listening(compiled: CompiledPipeline, factory: ContextFactory): Promise<void> {
  const deadline = performance.now() + LISTENING_WAIT_MS
  while (performance.now() < deadline && silentInputs(compiled, factory).length > 0) await wait(10)
}

/** Inputs that will listen on an address and do not yet. */
function silentInputs({ inputs }: CompiledPipeline, factory: ContextFactory): string[] {
  const heard = new Set(factory.listening.map(({ component }) => component))
  return inputs.filter(({ id, listens }) => listens && !heard.has(id)).map(({ id }) => id)
}

/** What the operator's pages are told of the running pipeline. */
export class PipelineStatus implements StatusSource {
  readonly #sources: Sources
  readonly #started_ms = performance.now()

  constructor(sources: Sources) {
    this.#sources = sources
  }

  status(): Status {
    const { pipeline, plan, factory, version } = this.#sources
    const totals = pipeline.ledger.totals()
    return {
      pipeline: plan.settings.id,
      version,
      uptime_ms: performance.now() - this.#started_ms,
      listening: factory.listening,
      totals: { ...totals, bytes_in_flight: pipeline.budget.used, bytes_in_flight_max: plan.settings.max_in_flight_bytes },
      errors_total: totals.states.dead_lettered,
      inputs: this.#inputs(),
      outputs: this.#outputs(),
      recent: pipeline.recent.events,
      places: this.#places(),
    }
  }

  /** Only what a load balancer may judge by: a broker that is down is no reason to send Filebeat elsewhere. */
  reasonsNotReady(): readonly string[] {
    const { pipeline, compiled, factory } = this.#sources
    const closed = compiled.outputs.flatMap(({ id }, index) => {
      const output = pipeline.outputs[index]
      return output === undefined || output.isOpen ? [] : [`${id}: ${factory.unwell.get(id) ?? output.state}`]
    })
    return [...silentInputs(compiled, factory).map((id) => `${id} does not listen`), ...closed]
  }

  #inputs(): ComponentStatus[] {
    const { pipeline, compiled, factory } = this.#sources
    return compiled.inputs.map(({ id, name, where }) => {
      const address = factory.listening.findLast(({ component }) => component === id)?.address
      return {
        id,
        name,
        where: address ?? where,
        state: pipeline.hasEnded(id) ? 'ended' : (factory.unwell.get(id) ?? (address === undefined ? 'reading' : 'listening')),
        is_well: !factory.unwell.has(id),
        counts: { received: pipeline.ledger.input(id).value },
      }
    })
  }

  #outputs(): ComponentStatus[] {
    const { pipeline, compiled, factory } = this.#sources
    return compiled.outputs.flatMap(({ id, name, where }, index) => {
      const output = pipeline.outputs[index]
      if (output === undefined) return []
      const state = factory.unwell.get(id) ?? output.state
      return { id, name, where, state, is_well: state === 'open', counts: { ...output.ledger.totals().outcomes } }
    })
  }

  #places(): Status['places'] {
    const { data, compiled } = this.#sources
    const files = compiled.outputs.some(({ name }) => name === 'file')
    return [
      ...(files ? [{ what: 'files', where: `${data}/` }] : []),
      {
        what: 'dead letters',
        where: `${data}/dead-letters/ (bin/millrace dlq show${data === 'data' ? '' : ` --path.data ${data}`})`,
      },
    ]
  }
}
