import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { LRUCache } from 'lru-cache'
import { defineFilter } from '../../core/component.ts'
import type { FilterContext } from '../../core/contracts.ts'
import { MillraceError, messageOf } from '../../core/errors.ts'
import type { Event } from '../../core/event.ts'
import { type FieldRef, parseFieldRef } from '../../core/field-ref.ts'
import * as option from '../../core/options/options.ts'
import { cloneFields, isNumber, Timestamp, type Value } from '../../core/values.ts'
import { compileLayout, type FactGroup, type Layout } from './layout.ts'
import { Matcher } from './matcher.ts'
import { builtInRules, type RuleSet, readRules } from './rules.ts'

export const useragent = defineFilter({
  name: 'useragent',
  summary: 'Tells browser, operating system and device from the text of a user agent.',
  description: `
The rules are those of [uap-core](https://github.com/ua-parser/uap-core), built in; \`regexes\` names a newer or an own
\`regexes.yaml\`. An agent that no rule knows has the name \`Other\`. Where the source is missing, null or empty nothing happens; a
number or a boolean is tagged, where it would stop Logstash. Of a text only the first 4,096 characters are looked at.

| ECS off | ECS on |
|---|---|
| \`name\`, \`version\` | \`[user_agent][name]\`, \`[user_agent][version]\` |
| \`major\`, \`minor\`, \`patch\` | \`[@metadata][filter][user_agent][version][major]\` and so on |
| \`os\`, \`os_name\` | \`[user_agent][os][name]\` |
| \`os_full\`, \`os_version\` | \`[user_agent][os][full]\`, \`[user_agent][os][version]\` |
| \`os_major\`, \`os_minor\`, \`os_patch\` | \`[@metadata][filter][user_agent][os][version][major]\` and so on |
| \`device\` | \`[user_agent][device][name]\` |
`.trim(),
  options: {
    source: option.fieldRef('Field with the text. Of a list the first element counts.', { required: true }),
    target: option.fieldRef('Field that the facts go below. Default: the event itself; with ECS on `user_agent`.'),
    prefix: option.string('What the names of the facts begin with; with ECS on it has no effect.', { default: '' }),
    regexes: option.path("A regexes.yaml to use instead of the built-in rules. A relative path starts at the config's folder."),
    lru_cache_size: option.integer('Texts whose facts are kept ready.', { default: 100_000, min: 1, max: 10_000_000 }),
    tag_on_failure: option.list('Tags of an event whose source cannot be a user agent, or whose target cannot be set.', {
      default: ['_useragentparsefailure'],
    }),
  },
  examples: [
    {
      title: 'A browser',
      options: { source: 'agent', target: 'ua' },
      before: {
        agent: 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36',
      },
      after: {
        agent: 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36',
        ua: {
          name: 'Chrome',
          device: 'Other',
          major: '120',
          minor: '0',
          patch: '0',
          version: '120.0.0.0',
          os: 'Windows',
          os_name: 'Windows',
          os_version: '10',
          os_major: '10',
          os_full: 'Windows 10',
        },
      },
    },
    {
      title: 'A program that nobody knows, into the event itself',
      options: { source: 'agent', prefix: 'ua_' },
      before: { agent: 'exchange-client' },
      after: {
        agent: 'exchange-client',
        ua_name: 'Other',
        ua_device: 'Other',
        ua_os: 'Other',
        ua_os_name: 'Other',
        ua_os_full: 'Other',
      },
    },
  ],
  async compile({ source, target, prefix, regexes, lru_cache_size, tag_on_failure }, context) {
    const layout = chooseLayout(target, prefix, context)
    if (regexes !== undefined) context.files.reads(resolve(context.paths.config, regexes))
    const rules = regexes === undefined ? undefined : await readRulesFile(resolve(context.paths.config, regexes))
    const factsOf = cachedFacts(rules, layout, lru_cache_size)
    // Where the text stands in the way of the facts it gives way to them.
    const gives_way = target !== undefined && target.text === source.text
    const fail = (event: Event): void => {
      for (const tag of tag_on_failure) event.tag(tag)
    }
    return (event) => {
      const given = event.get(source)
      const text = Array.isArray(given) ? given[0] : given
      if (typeof text !== 'string') {
        if (cannotBeAgent(text)) fail(event)
        return
      }
      if (text === '') return
      const facts = factsOf(text)
      if (gives_way) event.remove(source)
      if (setFacts(event, facts)) context.matched(event)
      else fail(event)
    }
  },
})

/** Lists and maps Logstash passes over. */
function cannotBeAgent(value: Value | undefined): boolean {
  return typeof value === 'boolean' || isNumber(value) || value instanceof Timestamp
}

function setFacts(event: Event, groups: readonly FactGroup[]): boolean {
  try {
    for (const { below, facts, fields } of groups) {
      if (below !== undefined && event.get(below) === undefined) event.set(below, cloneFields(fields))
      else for (const { ref, value } of facts) event.set(ref, value)
    }
    return true
  } catch {
    return false
  }
}

function chooseLayout(target: FieldRef | undefined, prefix: string, context: FilterContext): Layout {
  if (context.ecs_compatibility === 'disabled') return compileLayout('legacy', target, prefix)
  if (prefix !== '') {
    context.log.warn('useragent_prefix', `${context.where}: useragent has no prefix with ECS on: remove prefix => "${prefix}"`)
  }
  return compileLayout('ecs', target ?? parseFieldRef('user_agent'), '')
}

async function readRulesFile(path: string): Promise<RuleSet> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (thrown) {
    throw new MillraceError('OPTION_INVALID', `cannot read the file of regexes: ${messageOf(thrown)}`, { cause: thrown })
  }
  return readRules(path, text)
}

/** Rules are made ready for the first text that comes, which takes some milliseconds. */
function cachedFacts(rules: RuleSet | undefined, layout: Layout, size: number): (text: string) => readonly FactGroup[] {
  let matcher: Matcher | undefined
  const cache = new LRUCache<string, readonly FactGroup[]>({ max: size })
  return (text) => {
    const known = cache.get(text)
    if (known !== undefined) return known
    matcher ??= new Matcher(rules ?? builtInRules())
    const facts = layout(matcher.match(text), text)
    cache.set(text, facts)
    return facts
  }
}
