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

/** What the operator's pages are told of the running pipeline. */
export class PipelineStatus implements StatusSource {
  readonly #sources: Sources
  readonly #started_ms = performance.now()

  constructor(sources: Sources) {
    this.#sources = sources
  }

  /** Resolves once every input that listens does so, or after a while. */
  async listening(): Promise<void> {
    const deadline = performance.now() + LISTENING_WAIT_MS
    while (performance.now() < deadline && this.#silentInputs().length > 0) await wait(10)
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

  reasonsNotReady(): readonly string[] {
    const { pipeline, compiled } = this.#sources
    const closed = pipeline.outputs.flatMap((output, index) =>
      output.isOpen ? [] : [`${compiled.outputs[index]?.id} is ${output.state}`],
    )
    return [...this.#silentInputs().map((id) => `${id} does not listen`), ...closed]
  }

  /** Inputs that will listen on an address and do not yet. */
  #silentInputs(): string[] {
    const { compiled, factory } = this.#sources
    const heard = new Set(factory.listening.map(({ component }) => component))
    return compiled.inputs.filter(({ id, listens }) => listens && !heard.has(id)).map(({ id }) => id)
  }

  #inputs(): ComponentStatus[] {
    const { pipeline, compiled, factory } = this.#sources
    return compiled.inputs.map(({ id, name, where }) => {
      const address = factory.listening.findLast(({ component }) => component === id)?.address
      return {
        id,
        name,
        where: address ?? where,
        state: address === undefined ? 'reading' : 'listening',
        is_well: true,
        counts: { received: pipeline.ledger.input(id).value },
      }
    })
  }

  #outputs(): ComponentStatus[] {
    const { pipeline, compiled } = this.#sources
    return pipeline.outputs.map((output, index) => ({
      id: compiled.outputs[index]?.id ?? '',
      name: compiled.outputs[index]?.name ?? '',
      where: compiled.outputs[index]?.where ?? '',
      state: output.state,
      is_well: output.state === 'open',
      counts: { ...output.ledger.totals().outcomes },
    }))
  }

  #places(): Status['places'] {
    const { data, compiled } = this.#sources
    const files = compiled.outputs.some(({ name }) => name === 'file')
    return [
      ...(files ? [{ what: 'files', where: `${data}/` }] : []),
      { what: 'dead letters', where: `${data}/dead-letters/ (millrace dlq show)` },
    ]
  }
}
