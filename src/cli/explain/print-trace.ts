import { styleText } from 'node:util'
import { printCondition } from '../../config/print-condition.ts'
import type { PlanNode } from '../../core/plan.ts'
import type { Change } from '../dry-run/changes.ts'
import type { Trace, TraceEntry } from '../dry-run/trace.ts'

type Paint = (format: 'bold' | 'dim' | 'red' | 'green' | 'yellow', text: string) => string

/** Longer values are cut: the document at the end has them whole. */
const VALUE_LENGTH_MAX = 160

/**
 * The ways of events for a person:
 *
 *     event 1
 *       logstash.conf:3:3    json
 *           + [level] "error"
 *           ~ [message] "a" -> "b"
 *       logstash.conf:4:3    if [level] == "error"  yes
 *       logstash.conf:12:3   to elasticsearch
 *       { …the document… }
 */
export function printTraces(traces: readonly Trace[], nodes: ReadonlyMap<string, PlanNode>, has_colours: boolean): string {
  const paint: Paint = (format, text) => (has_colours ? styleText(format, text, { validateStream: false }) : text)
  const width = Math.max(0, ...traces.flatMap(({ entries }) => entries.map(({ where }) => where.length)))
  return traces.map((trace) => printTrace(trace, nodes, width, paint)).join('\n')
}

function printTrace(trace: Trace, nodes: ReadonlyMap<string, PlanNode>, width: number, paint: Paint): string {
  const lines = [paint('bold', title(trace))]
  for (const entry of trace.entries) lines.push(...printEntry(entry, nodes.get(entry.where), width, paint))
  if (trace.event.cancelled === undefined) {
    if (!trace.entries.some(({ kind }) => kind === 'output')) lines.push(paint('yellow', '  goes to no output'))
    lines.push(`  ${printDocument(trace)}`)
  }
  return `${lines.join('\n')}\n`
}

function title({ number, parent }: Trace): string {
  if (parent === undefined) return `event ${number}`
  return parent === 0 ? `event ${number}, given out at the end` : `event ${number}, made of event ${parent}`
}

function printEntry(entry: TraceEntry, node: PlanNode | undefined, width: number, paint: Paint): string[] {
  const where = `  ${paint('dim', entry.where.padEnd(width))}  `
  const name = node?.kind === 'component' ? node.name : ''
  switch (entry.kind) {
    case 'if': {
      const condition = node?.kind === 'if' ? printCondition(node.condition) : ''
      return [`${where}if ${condition}  ${entry.held ? paint('green', 'yes') : paint('yellow', 'no')}`]
    }
    case 'output':
      return [`${where}to ${name} (${entry.id})`]
    case 'filter':
      return [`${where}${name}${fateOf(entry, paint)}`, ...entry.changes.map((change) => `      ${printChange(change, paint)}`)]
  }
}

function fateOf(entry: Extract<TraceEntry, { kind: 'filter' }>, paint: Paint): string {
  const made = entry.made.length === 0 ? '' : `: makes event${entry.made.length > 1 ? 's' : ''} ${entry.made.join(', ')}`
  switch (entry.fate) {
    case 'dropped':
      return `${made}  ${paint('yellow', 'dropped')}`
    case 'consumed':
      return `${made}  lives on in them`
    case 'failed':
      return `${made}  ${paint('red', `failed: ${entry.reason ?? ''}. It would go to the dead letters`)}`
    case 'goes_on':
      return made === '' && entry.changes.length === 0 ? paint('dim', '  changes nothing') : made
  }
}

function printChange({ field, before, after }: Change, paint: Paint): string {
  if (before === undefined) return paint('green', `+ ${field} ${shorten(after)}`)
  if (after === undefined) return paint('red', `- ${field} ${shorten(before)}`)
  return paint('yellow', `~ ${field} ${shorten(before)} -> ${shorten(after)}`)
}

function shorten(value = ''): string {
  return value.length > VALUE_LENGTH_MAX ? `${value.slice(0, VALUE_LENGTH_MAX)}… (${value.length} characters)` : value
}

function printDocument({ event }: Trace): string {
  return event.toJsonText()
}
