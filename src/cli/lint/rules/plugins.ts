import type { EntrySyntax, PluginSyntax } from '../../../config/logstash-conf/syntax.ts'
import { attributeOf, type Finding, type LintedConfig, type PlacedPlugin, type Rule } from '../rule.ts'

export const unconditionalOutput: Rule = {
  name: 'unconditional-output',
  summary:
    'All files of a folder or glob are one pipeline: an output outside any `if` gets the events of all of them. In one file alone ' +
    'that is meant; in one of several it seldom is.',
  fires: 'output { elasticsearch { index => "app-a" } }',
  quiet: 'output { if [type] == "a" { elasticsearch { index => "app-a" } } }',
  check: (config) =>
    config.plugins
      .filter(({ section, is_conditional }) => config.files > 1 && section === 'output' && !is_conditional)
      .map(
        ({ plugin }): Finding => ({
          start: plugin.start,
          message: `${plugin.name.text} gets the events of all ${config.files} files: they are merged into one pipeline`,
          hint: 'put it into an if that tells its events from the others, or run the files as pipelines of their own (pipelines.yml)',
        }),
      ),
}

export const plaintextPassword: Rule = {
  name: 'plaintext-password',
  summary: 'A password in a config ends up in repositories, tickets and backups. A variable keeps it out.',
  fires: 'output { elasticsearch { user => "writer" password => "hunter2" } }',
  quiet: 'output { elasticsearch { user => "writer" password => "${ELASTICSEARCH_PASSWORD}" } }',
  check: (config) => [
    ...config.plugins.flatMap((placed) =>
      placed.plugin.attributes.flatMap(({ name, value }): Finding[] => {
        if (optionType(config, placed, name.text) !== 'password' || value.kind !== 'string' || value.text.includes('${'))
          return []
        return [
          {
            start: value.start,
            message: `${name.text} is written out`,
            hint: `write "\${${variableOf(placed.plugin, name.text)}}" and set that variable`,
          },
        ]
      }),
    ),
    ...config.texts.flatMap(({ start, text }): Finding[] =>
      /:\/\/[^/\s:@]+:(?!\$\{)[^/\s@]+@/.test(text)
        ? [{ start, message: 'the address holds a password', hint: 'use the options user and password, with a variable' }]
        : [],
    ),
  ],
}

function variableOf(plugin: PluginSyntax, option: string): string {
  return `${plugin.name.text}_${option}`.toUpperCase().replaceAll(/[^A-Z0-9_]/g, '_')
}

export const oldOptionName: Rule = {
  name: 'old-option-name',
  summary: 'Options that were renamed still work, with a warning at each start.',
  fires: 'input { beats { port => 5044 ssl => true } }',
  fixed: 'input { beats { port => 5044 ssl_enabled => true } }',
  quiet: 'input { beats { port => 5044 ssl_enabled => true } }',
  check: (config) =>
    config.plugins.flatMap(({ section, plugin }) => {
      const renamed = config.catalog.find(section, plugin.name.text)?.renamed ?? {}
      return plugin.attributes.flatMap(({ name }): Finding[] => {
        const current = Object.hasOwn(renamed, name.text) ? renamed[name.text] : undefined
        if (current === undefined) return []
        return [
          {
            start: name.start,
            message: `${name.text} is the old name of ${current}`,
            hint: `write ${current}`,
            // With both names there, which one is meant is for a person to say.
            ...(attributeOf(plugin, current) === undefined ? { fix: { start: name.start, end: name.end, text: current } } : {}),
          },
        ]
      })
    }),
}

/** The order in which one mutate does its work, whatever the order of its options. */
const MUTATE_ORDER = [
  'coerce',
  'rename',
  'update',
  'replace',
  'convert',
  'gsub',
  'uppercase',
  'capitalize',
  'lowercase',
  'strip',
  'split',
  'join',
  'merge',
  'copy',
]

export const mutateOrder: Rule = {
  name: 'mutate-order',
  summary:
    'One `mutate` does its work in a fixed order (coerce, rename, update, replace, convert, gsub, uppercase, capitalize, lowercase, ' +
    'strip, split, join, merge, copy), whatever the order of its options. Two blocks run one after the other.',
  fires: 'filter { mutate { gsub => ["n", ",", ""] convert => { "n" => "integer" } } }',
  quiet: 'filter { mutate { gsub => ["n", ",", ""] } mutate { convert => { "n" => "integer" } } }',
  check: (config) =>
    config.plugins
      .filter(({ section, plugin }) => section === 'filter' && plugin.name.text === 'mutate')
      .flatMap(({ plugin }): Finding[] => {
        const steps = plugin.attributes.map(({ name }) => name).filter(({ text }) => MUTATE_ORDER.includes(text))
        const slip = steps.find(
          ({ text }, index) => index > 0 && MUTATE_ORDER.indexOf(text) < MUTATE_ORDER.indexOf(steps[index - 1]?.text ?? ''),
        )
        if (slip === undefined) return []
        const before = steps[steps.indexOf(slip) - 1]?.text
        return [
          {
            start: slip.start,
            message: `${slip.text} is done before ${before}, although it stands behind it`,
            hint: `put it into a mutate of its own behind this one, or before ${before} if that is meant`,
          },
        ]
      }),
}

export const hashOrder: Rule = {
  name: 'hash-order',
  summary:
    'Logstash runs the entries of a hash in an order of its own; Millrace in that of the file. An entry that uses a field which another ' +
    'entry of the same hash makes gets it here, and there by luck.',
  fires: 'filter { mutate { add_field => { "a" => "x" "b" => "%{a}" } } }',
  quiet: 'filter { mutate { add_field => { "a" => "x" } } mutate { add_field => { "b" => "%{a}" } } }',
  check: (config) =>
    config.plugins.flatMap(({ plugin }) =>
      plugin.attributes.flatMap(({ name, value }) =>
        value.kind === 'hash' && ['add_field', 'replace', 'update', 'rename', 'copy'].includes(name.text)
          ? dependentEntries(value.entries)
          : [],
      ),
    ),
}

function dependentEntries(entries: readonly EntrySyntax[]): Finding[] {
  return entries.flatMap((entry): Finding[] => {
    const used =
      entry.value.kind === 'string' ? [...entry.value.text.matchAll(/%\{([^}+]+)\}/g)].map((found) => bare(found[1] ?? '')) : []
    const maker = entries.find((other) => other !== entry && used.includes(bare(other.key.text)))
    if (maker === undefined) return []
    return [
      {
        start: entry.start,
        message: `${entry.key.text} uses ${maker.key.text}, which another entry of the same hash makes: Logstash runs them in any order`,
        hint: 'make the second one in a block of its own behind this one',
      },
    ]
  })
}

/** `[a]` and `a` are the same field. */
function bare(field: string): string {
  return /^\[[^[\]]+\]$/.test(field) ? field.slice(1, -1) : field
}

function optionType(config: LintedConfig, { section, plugin }: PlacedPlugin, option: string): string | undefined {
  const options = config.catalog.find(section, plugin.name.text)?.options
  return options !== undefined && Object.hasOwn(options, option) ? options[option]?.type : undefined
}
