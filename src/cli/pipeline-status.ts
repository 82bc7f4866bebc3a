import { setTimeout as wait } from 'node:timers/promises'
import type { CompiledPipeline } from '../compile/pipeline.ts'
import { EVENT_STATES } from '../core/event.ts'
import type { Books } from '../ops/ledger.ts'
import type { ComponentStatus, Status, StatusSource, Totals } from '../ops/status.ts'
import { type LedgerTotals, MADE_BY_FILTERS } from '../runtime/ledger.ts'
import type { ContextFactory } from './context-factory.ts'
import type { Member, Pipelines } from './pipelines.ts'
import type { Reloader } from './reload.ts'

interface Sources {
  readonly pipelines: Pipelines
  readonly reloader: Pick<Reloader, 'last'>
  readonly data: string
  readonly version: string
}

/** Inputs that listen do so within milliseconds; the greeting waits no longer than this for them. */
const LISTENING_WAIT_MS = 2_000

/** Resolves once every input that listens does so, or after a while. */
export async function listening(compiled: CompiledPipeline, factory: ContextFactory): Promise<void> {
  const deadline = performance.now() + LISTENING_WAIT_MS
  while (performance.now() < deadline && silentInputs({ compiled, factory }).length > 0) await wait(10)
}

/** Inputs that will listen on an address and do not yet. */
function silentInputs({ compiled, factory }: Pick<Member, 'compiled' | 'factory'>): string[] {
  const heard = new Set(factory.listening.map(({ component }) => component))
  return compiled.inputs.filter(({ id, listens }) => listens && !heard.has(id)).map(({ id }) => id)
}

/** What the operator's pages are told of the running pipelines. */
export class PipelineStatus implements StatusSource {
  readonly #sources: Sources
  readonly #started_ms = performance.now()

  constructor(sources: Sources) {
    this.#sources = sources
  }

  status(): Status {
    const { pipelines, reloader, version } = this.#sources
    const { members } = pipelines
    const totals = this.#totals()
    return {
      pipeline: members.map(({ plan }) => plan.settings.id).join(', '),
      version,
      uptime_ms: performance.now() - this.#started_ms,
      listening: members.flatMap((member) =>
        member.factory.listening.map(({ component, address }) => ({ component: this.#name(member, component), address })),
      ),
      totals,
      errors_total: totals.states.dead_lettered,
      inputs: members.flatMap((member) => this.#inputs(member)),
      outputs: members.flatMap((member) => this.#outputs(member)),
      recent: pipelines.recent.events,
      reload: reloader.last,
      places: this.#places(),
    }
  }

  /** Also of inputs and outputs that a reload took out, where anything went through them. */
  books(): Books {
    const { members, ledgers } = this.#sources.pipelines
    const present = new Map(members.map(({ plan, compiled }) => [plan.settings.id, compiled]))
    return {
      events: [...ledgers].flatMap(([pipeline, { events }]) =>
        [...events.inputs]
          .map(([input, books]) => ({ pipeline, input, ...books.totals() }))
          .filter(({ input, received, created, read_back }) => {
            const is_shown = present.has(pipeline) && input !== MADE_BY_FILTERS
            return is_shown || received + created + read_back > 0
          }),
      ),
      deliveries: [...ledgers].flatMap(([pipeline, { outputs }]) =>
        [...outputs]
          .map(([output, books]) => ({ pipeline, output, ...books.totals(), targets: books.targets.totals() }))
          .filter(({ output, handed }) => handed > 0 || present.get(pipeline)?.outputs.some(({ id }) => id === output)),
      ),
      unbalanced: [...ledgers.values()].reduce((sum, { events }) => sum + events.unbalanced, 0),
    }
  }

  /**
   * Only what a load balancer may judge by: a broker that is down is no reason to send Filebeat elsewhere, and an output that is away
   * none where senders are told once their events are in a queue on the disk.
   */
  reasonsNotReady(): readonly string[] {
    const { members, failed } = this.#sources.pipelines
    const reasons = members.flatMap((member) => {
      const { pipeline, compiled, factory, plan } = member
      const awaited = plan.settings.queue_type === 'persisted' ? [] : compiled.outputs
      const closed = awaited.flatMap(({ id }, index) => {
        const output = pipeline.outputs[index]
        const state = factory.unwell.get(id) ?? output?.state ?? ''
        return output === undefined || output.isOpen ? [] : [`${this.#name(member, id)}: ${state}`]
      })
      return [...silentInputs(member).map((id) => `${this.#name(member, id)} does not listen`), ...closed]
    })
    return [...[...failed].map(([id, why]) => `the pipeline ${id} does not run: ${why}`), ...reasons]
  }

  /** With the pipeline's name in front where there are several. */
  #name({ plan }: Member, id: string): string {
    return this.#sources.pipelines.is_alone ? id : `${plan.settings.id}/${id}`
  }

  /** What one pipeline handed to another counts as made, not as received: the program got it once. */
  #totals(): Totals {
    const { members, budget, max_in_flight_bytes } = this.#sources.pipelines
    const totals = members.map((member) => {
      const own = member.pipeline.ledger.totals()
      const handed = member.compiled.inputs
        .filter(({ has_room }) => has_room)
        .reduce((sum, { id }) => sum + member.pipeline.ledger.input(id).received.value, 0)
      return { ...own, received: own.received - handed, created: own.created + handed }
    })
    const sum = (read: (of: LedgerTotals) => number): number => totals.reduce((all, one) => all + read(one), 0)
    const holders = Object.keys(totals[0]?.holders ?? {}) as (keyof LedgerTotals['holders'])[]
    return {
      received: sum(({ received }) => received),
      created: sum(({ created }) => created),
      states: Object.fromEntries(EVENT_STATES.map((state) => [state, sum(({ states }) => states[state])])) as Totals['states'],
      holders: Object.fromEntries(holders.map((holder) => [holder, sum((of) => of.holders[holder])])),
      unbalanced: sum(({ unbalanced }) => unbalanced),
      bytes_in_flight: budget.used,
      bytes_in_flight_max: max_in_flight_bytes,
    }
  }

  #inputs(member: Member): ComponentStatus[] {
    const { pipeline, compiled, factory } = member
    return compiled.inputs.map(({ id, name, where }) => {
      const address = factory.listening.findLast(({ component }) => component === id)?.address
      return {
        id: this.#name(member, id),
        name,
        where: address ?? where,
        state: pipeline.hasEnded(id) ? 'ended' : (factory.unwell.get(id) ?? (address === undefined ? 'reading' : 'listening')),
        is_well: !factory.unwell.has(id),
        counts: { received: pipeline.ledger.input(id).received.value },
      }
    })
  }

  #outputs(member: Member): ComponentStatus[] {
    const { pipeline, compiled, factory } = member
    return compiled.outputs.flatMap(({ id, name, where }, index) => {
      const output = pipeline.outputs[index]
      if (output === undefined) return []
      const state = factory.unwell.get(id) ?? output.state
      const counts = { ...output.ledger.totals().outcomes }
      return { id: this.#name(member, id), name, where, state, is_well: state === 'open', counts }
    })
  }

  #places(): Status['places'] {
    const { data, pipelines } = this.#sources
    const files = pipelines.members.some(({ compiled }) => compiled.outputs.some(({ name }) => name === 'file'))
    return [
      ...(files ? [{ what: 'files', where: `${data}/` }] : []),
      {
        what: 'dead letters',
        where: `${data}/dead-letters/ (bin/millrace dlq ls${data === 'data' ? '' : ` --path.data ${data}`})`,
      },
    ]
  }
}
