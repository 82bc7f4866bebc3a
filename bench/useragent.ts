// Claims: a user agent that was not seen before costs at most a third of the loop that tries uap-core's rules one after the
// other; one that was seen before at most two and a half times as much as with a Map that forgets nothing.
// One event with a user agent in, its facts set, in events per second of CPU.
import { parseFieldRef } from '../src/core/field-ref.ts'
import type { Fields } from '../src/core/values.ts'
import { builtInRules, type Rule } from '../src/transform/useragent/rules.ts'
import { type Comparison, compare, type Way } from './harness/compare.ts'
import { eventWay, filterWay } from './harness/filter-way.ts'
import { printTable, type Row } from './harness/table.ts'

const NEW_AGENTS = 300
const SEEN_AGENTS = 20_000

/** By their share of the traffic of a web site, more or less. `#` becomes a number. */
const AGENTS = [
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.#.0 Safari/537.36',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 17_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.2 Mobile/15E# Safari/604.1',
  'Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/119.0.#.163 Mobile Safari/537.36',
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.1 Safari/605.1.#',
  'Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/# Firefox/120.0',
  'Mozilla/5.0 (compatible; Googlebot/2.#; +http://www.google.com/bot.html)',
  'python-requests/2.31.#',
]

const TARGET = parseFieldRef('ua')

interface UserAgentComparisons {
  readonly fresh: Comparison
  readonly seen: Comparison
}

async function benchUseragent(): Promise<UserAgentComparisons> {
  const fresh = agents(NEW_AGENTS, NEW_AGENTS)
  const seen = agents(SEEN_AGENTS, AGENTS.length)
  const options = { source: 'message', target: 'ua' }
  return {
    // A cache of one never has the next one.
    fresh: await compare(eachRule(fresh), await filterWay('useragent', { ...options, lru_cache_size: 1 }, fresh), NEW_AGENTS),
    seen: await compare(fromMap(seen), await filterWay('useragent', options, seen), SEEN_AGENTS),
  }
}

function agents(count: number, different: number): string[] {
  return Array.from({ length: count }, (_, index) => {
    const number = index % different
    return (AGENTS[number % AGENTS.length] ?? '').replace('#', String(number))
  })
}

function eachRule(messages: readonly string[]): Way {
  const find = compileLoop()
  return eventWay('trying each rule', messages, (event, message) => event.set(TARGET, find(message)))
}

function fromMap(messages: readonly string[]): Way {
  const find = compileLoop()
  const known = new Map<string, Fields>()
  return eventWay('loop with a Map', messages, (event, message) => {
    let facts = known.get(message)
    if (facts === undefined) {
      facts = find(message)
      known.set(message, facts)
    }
    event.set(TARGET, { ...facts })
  })
}

function compileLoop(): (text: string) => Fields {
  const { user_agents, systems, devices } = builtInRules()
  const compiled = [user_agents, systems, devices].map((rules) => rules.map(([regex, flags]: Rule) => new RegExp(regex, flags)))
  return (text) => {
    const [browser, system, device] = compiled.map((regexes) => {
      for (const regex of regexes) {
        const found = regex.exec(text)
        if (found !== null) return found
      }
      return undefined
    })
    const [, name = 'Other', major = null, minor = null, patch = null] = browser ?? []
    const [, os = 'Other', os_major = null, os_minor = null] = system ?? []
    const version = [major, minor, patch].filter((part) => part !== null).join('.')
    return {
      name,
      major,
      minor,
      patch,
      version,
      os,
      os_name: os,
      os_full: os,
      os_major,
      os_minor,
      device: device?.[1] ?? 'Other',
    }
  }
}

const TITLE = 'useragent: events in a second of CPU'

function useragentRows({ fresh, seen }: UserAgentComparisons): Row[] {
  return [
    { what: `not seen before: ${fresh.base.name}`, unit: '', figures: fresh.base },
    { what: `not seen before: ${fresh.other.name}`, unit: '', figures: fresh.other },
    { what: 'ours to the loop', unit: '', digits: 1, figures: fresh.ratio, claim: { at_least: 3 } },
    { what: `seen before: ${seen.base.name}`, unit: '', figures: seen.base },
    { what: `seen before: ${seen.other.name}`, unit: '', figures: seen.other },
    { what: 'ours to the loop', unit: '', digits: 2, figures: seen.ratio, claim: { at_least: 0.4 } },
  ]
}

printTable(TITLE, useragentRows(await benchUseragent()))
