import type { Catalog, InputSpec } from '../core/component.ts'
import type { Context } from '../core/context.ts'
import type { Decoded, InputContext, Source } from '../core/contracts.ts'
import { Event, type Origin } from '../core/event.ts'
import { parseFieldRef } from '../core/field-ref.ts'
import * as option from '../core/options/options.ts'
import { readOptions } from '../core/options/read-options.ts'
import type { ComponentNode } from '../core/plan.ts'
import { cannotRegister } from './cannot-register.ts'
import { compileCodec, type Findings } from './codec.ts'
import { addField, additions, addTag } from './common-options.ts'

/** Options that every input takes. */
export const INPUT_OPTIONS = {
  id: option.string('Name of this input in metrics, messages and the ledger.'),
  enable_metric: option.boolean("Kept for Logstash's configs; metrics are always on.", { default: true }),
  ecs_compatibility: option.oneOf("Which field names this component uses by default; the pipeline's where left out.", [
    'disabled',
    'v1',
    'v8',
  ]),
  type: option.string('Value of the field `type` for events that have none.'),
  tags: option.templates('Tags for every event of this input.'),
  add_field: additions('Fields for every event of this input. Names and values take %{field}.'),
  codec: option.codec('How the data of this input is decoded.'),
}

/** What the runtime gives an input beside the context. */
export type InputServices = Pick<InputContext, 'deadLetter' | 'max_event_bytes' | 'max_in_flight_bytes'>

/** Makes one input from its place in the plan. Faults are reported at that place; then there is no source. */
export function compileInput(
  spec: InputSpec,
  node: ComponentNode,
  catalog: Catalog,
  context: Context,
  services: InputServices,
  findings: Findings,
): Source | undefined {
  const options = readOptions({ ...INPUT_OPTIONS, ...spec.options }, node, findings.report, spec, findings.warn)
  // Looked at although an option may be wrong, so that all faults are told at once.
  const chosen = options === undefined ? option.codecOf(node) : options.codec
  const named = chosen ?? { kind: 'component', at: node.at, name: spec.default_codec, options: [] }
  const codecNode = spec.streams === true ? { ...named, name: STREAM_CODECS.get(named.name) ?? named.name } : named
  const codec = compileCodec(codecNode, catalog, context, findings)
  if (options === undefined || codec === undefined) return undefined
  try {
    // One that cannot be made (a bad pattern, a codec that only prints) is told now and not when the first data comes.
    codec.createDecoder()
    const decorate = compileDecoration(options)
    let sound = true
    const source = spec.create(options, {
      ...context,
      ...services,
      decorate,
      createDecoder: () => codec.createDecoder(),
      compileCodec: (other) => {
        const made = compileCodec(other, catalog, context, findings)
        if (made === undefined) sound = false
        made?.createDecoder()
        return made === undefined ? undefined : () => made.createDecoder()
      },
      createEvent: (decoded, origin, size_bytes) => createEvent(decoded, origin, size_bytes, context, decorate),
    })
    return sound ? source : undefined
  } catch (thrown) {
    findings.report({ code: 'CONFIG_CANNOT_START', at: node.at, message: cannotRegister(node.name, 'input', thrown) })
    return undefined
  }
}

const STREAM_CODECS: ReadonlyMap<string, string> = new Map([
  ['json', 'json_lines'],
  ['plain', 'line'],
])

type Decorate = (event: Event) => void

function createEvent(
  decoded: Decoded,
  origin: Origin | undefined,
  size_bytes: number,
  context: Context,
  decorate: Decorate,
): Event {
  const event = Event.from(decoded.fields, context.clock.timestamp(), { exact: decoded.exact, source: decoded.source, origin })
  event.size_bytes = decoded.size_bytes ?? size_bytes
  decorate(event)
  return event
}

const TYPE = parseFieldRef('type')

function compileDecoration(options: option.OptionValues<typeof INPUT_OPTIONS>): Decorate {
  const changes = [...(options.add_field ?? []).map(addField), ...(options.tags ?? []).map(addTag)]
  const { type } = options
  if (type === undefined && changes.length === 0) return () => {}
  return (event) => {
    if (type !== undefined && !event.has(TYPE)) event.set(TYPE, type)
    for (const change of changes) change(event)
  }
}
