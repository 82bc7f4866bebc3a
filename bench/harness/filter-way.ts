import { compileFilter } from '../../src/compile/filter.ts'
import { loadCatalog } from '../../src/components.ts'
import { Event } from '../../src/core/event.ts'
import { Timestamp } from '../../src/core/values.ts'
import { componentNode } from '../../test/helpers/config-value.ts'
import { testContext } from '../../test/helpers/context.ts'
import type { Way } from './compare.ts'

const NOW = new Timestamp(Date.UTC(2026, 0, 2))

/** Makes an event of each message and does something to it. */
export function eventWay(name: string, messages: readonly string[], change: (event: Event, message: string) => void): Way {
  return {
    name,
    run: () => {
      let events = 0
      for (const message of messages) {
        const event = Event.from({ message }, NOW, { exact: false })
        change(event, message)
        if (event.cancelled === undefined) events++
      }
      return events
    },
  }
}

/** One of our filters, as a pipeline would run it. */
export async function filterWay(
  filter: string,
  options: { readonly [name: string]: unknown },
  messages: readonly string[],
): Promise<Way> {
  const spec = (await loadCatalog([{ kind: 'filter', name: filter }])).find('filter', filter)
  const parts = spec && (await compileFilter(spec, componentNode(filter, options), testContext(), () => {}))
  if (parts === undefined) throw new TypeError(`the options of ${filter} are not valid`)
  return eventWay(`our ${filter}`, messages, (event) => parts.step(event, () => {}))
}
