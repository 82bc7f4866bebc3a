// Claim: an id that is the same at every delivery costs little beside what an event of Filebeat costs anyway.
// An envelope of Filebeat in, action line and document out: with `document_id => auto` and with `none`.
import { Event } from '../src/core/event.ts'
import { parseJson } from '../src/core/json/json.ts'
import { compileTemplate } from '../src/core/template.ts'
import { type Fields, Timestamp } from '../src/core/values.ts'
import { BeatsOrigins } from '../src/ingest/beats/origin.ts'
import { requestLog } from '../src/sample/request-log.ts'
import { compileAction, isAction } from '../src/sinks/elasticsearch/action.ts'
import { filebeatEvent } from '../test/helpers/default-pipeline.ts'
import { type Comparison, compare } from './harness/compare.ts'
import { printTable, type Row } from './harness/table.ts'

const LINES = 20_000

/** Compares events without ids with events that have one of their own. */
async function benchStableIds(): Promise<Comparison> {
  const lines = [...requestLog({ seed: 7, count: LINES, start_ms: Date.UTC(2026, 0, 2) })]
  const envelopes = lines.map((line, index) => JSON.stringify(filebeatEvent(line, index * 400)))
  return await compare(way('document_id none', 'none', envelopes), way('document_id auto', 'auto', envelopes), LINES)
}

function way(name: string, document_id: string, envelopes: readonly string[]): { name: string; run: () => number } {
  const actionOf = compileAction({
    index: compileTemplate('exchange-logs-%{+YYYY.MM.dd}'),
    document_id: compileTemplate(document_id),
    action: undefined,
    routing: undefined,
    pipeline: undefined,
  })
  const origins = new BeatsOrigins('beats', '10.0.0.7:51312')
  const now = new Timestamp(Date.UTC(2026, 0, 2))
  return {
    name,
    run: () => {
      let length = 0
      for (const json of envelopes) {
        const { value, exact } = parseJson(json)
        const origin =
          document_id === 'auto' ? origins.of({ fields: value as Fields }, (value as Fields)['message'], json) : undefined
        const event = Event.from(value as Fields, now, { exact, origin })
        const action = actionOf(event)
        if (isAction(action)) length += action.line.length + event.toJsonText().length
      }
      return length
    },
  }
}

const TITLE = 'Ids that stay the same: an event of Filebeat as a bulk item, events in a second of CPU'

function stableIdsRows({ base, other, ratio }: Comparison): Row[] {
  return [
    { what: base.name, unit: '', figures: base },
    { what: other.name, unit: '', figures: other },
    { what: 'with to without', unit: '', digits: 2, figures: ratio, claim: { at_least: 0.75 } },
  ]
}

printTable(TITLE, stableIdsRows(await benchStableIds()))
