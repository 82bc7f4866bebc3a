import type { PluginSyntax, StringSyntax, ValueSyntax } from '../../../config/logstash-conf/syntax.ts'
import { whyExponentialRegex } from '../../../core/regex/regex.ts'
import { attributeOf, type Finding, type LintedConfig, partsOf, type Rule } from '../rule.ts'

export const exponentialRegex: Rule = {
  name: 'exponential-regex',
  summary:
    'A pattern whose repetitions can share out the same characters in ever more ways takes twice as long for each further character ' +
    'of a text that does not match. Logstash hangs; Millrace breaks the match off after its time limit.',
  fires: 'filter { mutate { gsub => ["message", "(\\w+\\s?)+$", ""] } }',
  quiet: 'filter { mutate { gsub => ["message", "\\w+$", ""] } }',
  check: (config) =>
    regexesOf(config).flatMap(({ source, start }): Finding[] => {
      const reason = reasonOf(source)
      if (reason === undefined) return []
      return [
        {
          start,
          message: `/${source}/ may take for ever: ${reason}`,
          hint: 'let each character be taken by one repetition only',
        },
      ]
    }),
}

export const unanchoredGrok: Rule = {
  name: 'unanchored-grok',
  summary:
    'Grok searches: a pattern without `^` is tried again at every character of a line that does not match, which makes such lines up to ' +
    '25 times as expensive.',
  fires: 'filter { grok { match => { "message" => "%{IP:ip} %{WORD:verb}" } } }',
  quiet: 'filter { grok { match => { "message" => "^%{IP:ip} %{WORD:verb}" } } }',
  check: (config) =>
    config.plugins.flatMap(({ plugin }) =>
      grokPatternsOf(plugin)
        .filter(({ text }) => !/^(?:\(\?[a-z]+\))?(?:\^|\\A|\\G)/.test(text))
        .map(
          ({ start }): Finding => ({
            start,
            message: 'the pattern has no anchor: it is tried at every character of a line that does not match',
            hint: 'begin it with ^ where it describes whole lines',
          }),
        ),
    ),
}

/** A pattern that is none is for `check` to tell. */
function reasonOf(source: string): string | undefined {
  try {
    return whyExponentialRegex(source)
  } catch {
    return undefined
  }
}

interface PlacedRegex {
  readonly source: string
  readonly start: number
}

/** Regular expressions in conditions and in `gsub`. */
function regexesOf(config: LintedConfig): PlacedRegex[] {
  const inConditions = config.conditions
    .flatMap(({ condition }) => partsOf(condition))
    .flatMap((part) => (part.kind === 'match' ? { source: part.pattern, start: part.start } : []))
  const inGsub = config.plugins.flatMap(({ plugin }) => {
    const value = attributeOf(plugin, 'gsub')?.value
    const items = value?.kind === 'array' ? value.items : []
    return items.flatMap((item, index) =>
      index % 3 === 1 && item.kind === 'string' ? { source: item.text, start: item.start } : [],
    )
  })
  return [...inConditions, ...inGsub]
}

function grokPatternsOf(plugin: PluginSyntax): StringSyntax[] {
  if (plugin.name.text !== 'grok') return []
  return plugin.attributes
    .filter(({ name }) => name.text === 'match')
    .flatMap(({ value }) => {
      if (value.kind === 'hash') return value.entries.flatMap((entry) => stringsIn(entry.value))
      return value.kind === 'array' ? value.items.slice(1).flatMap(stringsIn) : []
    })
}

function stringsIn(value: ValueSyntax): StringSyntax[] {
  if (value.kind === 'string') return [value]
  return value.kind === 'array' ? value.items.flatMap(stringsIn) : []
}
