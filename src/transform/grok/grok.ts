import { defineFilter } from '../../core/component.ts'
import type { FilterContext, FilterParts } from '../../core/contracts.ts'
import { formatPosition, MillraceError, messageOf } from '../../core/errors.ts'
import type { Event } from '../../core/event.ts'
import { parseFieldRef } from '../../core/field-ref.ts'
import * as option from '../../core/options/options.ts'
import type { ConfigValue } from '../../core/plan.ts'
import { REGEX_TIMEOUT_MS, regexLimits } from '../../core/regex/guard.ts'
import { readPatternFiles } from '../../grok/pattern-files.ts'
import { builtInPatterns, type KnownPatterns } from '../../grok/pattern-sets.ts'
import { GrokPattern, type GrokSettings } from './grok-pattern.ts'
import { type FieldPatterns, type Finding, Matching } from './matching.ts'

const GROK_OPTIONS = {
  match: option.hash('Fields and the pattern, or list of patterns, to find in each.', { default: {} }),
  overwrite: option.list('Fields that a capture replaces. Without it a field that is there becomes a list.', { default: [] }),
  break_on_match: option.boolean('Stops at the first pattern that matches; with several fields at the first one that does.', {
    default: true,
  }),
  named_captures_only: option.boolean(
    'Whether `%{WORD}` without a field captures nothing; else it is put into the field `WORD`.',
    { default: true },
  ),
  keep_empty_captures: option.boolean('Sets fields whose group captured nothing: to null, or to the empty text.', {
    default: false,
  }),
  pattern_definitions: option.hash('Patterns of your own, by name. They win over all others of the same name.', { default: {} }),
  patterns_dir: option.list(
    'Folders and files with patterns of your own, a line each: the name, a blank, the pattern. Relative paths start at the folder of the config file.',
    { default: [] },
  ),
  patterns_files_glob: option.string('Which files of the folders are read.', { default: '*' }),
  target: option.string('Field that the captured fields are put into.'),
  tag_on_failure: option.list('Tags of an event that no pattern matches.', { default: ['_grokparsefailure'] }),
  timeout_millis: option.integer(
    'How long a pattern may take for one event, in milliseconds; 0: as long as it likes. While it runs nobody else is served, so the default is below the 30,000 of Logstash.',
    { default: REGEX_TIMEOUT_MS, min: 0 },
  ),
  timeout_scope: option.oneOf('Whether the time is that of each pattern or of all of them together.', ['pattern', 'event'], {
    default: 'pattern',
  }),
  tag_on_timeout: option.list('Tags of an event whose match was broken off.', { default: ['_groktimeout'] }),
}

type GrokOptions = option.OptionValues<typeof GROK_OPTIONS>

export const grok = defineFilter({
  name: 'grok',
  summary: 'Finds patterns in text and makes fields of their parts.',
  description: `
A pattern is a regular expression in Ruby's syntax (Onigmo) in which \`%{NAME}\` stands for the pattern of that name, \`%{NAME:field}\`
puts what it matches into a field, \`%{NAME:[a][b]}\` into a nested one, \`%{NAME:field:int}\` and \`:float\` as a number.
\`(?<field>…)\` captures too, and \`%{NAME=…}\` defines a pattern on the spot. The dot matches line ends, \`^\` and \`$\` are the
ends of lines, \`\\w\` is ASCII. A pattern may match anywhere in the text: begin with \`^\` what stands at its start, and lines
that do not match are told in a fraction of the time.

The patterns of Logstash come along, in two sets: with \`ecs_compatibility\` of v1 or v8 their fields are those of the Elastic Common
Schema (\`%{COMBINEDAPACHELOG}\` sets \`[source][address]\`), with \`disabled\` the old ones (\`clientip\`).

Numbers and maps are matched as text, a missing field as the empty text; of a list each element is tried. A field that is there already
becomes a list with the captured text at its end, unless it is in \`overwrite\`; numbers and maps stay as they are. Fields are tried in the
order of the config. With \`break_on_match => false\` every pattern is tried, and the last one of a field decides whether it matched.

A match that takes longer than \`timeout_millis\` is broken off: the event gets \`_groktimeout\` and goes on.
\`millrace_regex_interrupted_total\` counts such events.
`.trim(),
  options: GROK_OPTIONS,
  examples: [
    {
      title: 'A line of an exchange',
      options: {
        match: { message: '^%{TIMESTAMP_ISO8601:time} %{LOGLEVEL:level} order=%{WORD:order} price=%{NUMBER:price:float}' },
        remove_field: ['message'],
      },
      before: { message: '2024-01-02T03:04:05.678Z INFO order=A1B2 price=43210.50' },
      after: { time: '2024-01-02T03:04:05.678Z', level: 'INFO', order: 'A1B2', price: 43210.5 },
    },
    {
      title: "A web server's access log, with the fields of ECS",
      options: { match: { message: '%{COMBINEDAPACHELOG}' }, ecs_compatibility: 'v8', remove_field: ['message'] },
      before: { message: '192.0.2.7 - bob [02/Jan/2024:03:04:05 +0000] "GET /a?b=1 HTTP/1.1" 200 512 "-" "curl/8.5.0"' },
      after: {
        source: { address: '192.0.2.7' },
        user: { name: 'bob' },
        timestamp: '02/Jan/2024:03:04:05 +0000',
        http: { request: { method: 'GET' }, version: '1.1', response: { status_code: 200, body: { bytes: 512 } } },
        url: { original: '/a?b=1' },
        user_agent: { original: 'curl/8.5.0' },
      },
    },
    {
      title: 'The rest of a line in the place of the line',
      options: {
        match: { message: ['^%{LOGLEVEL:level}: %{GREEDYDATA:message}', '^%{ORDER:order}'] },
        overwrite: ['message'],
        pattern_definitions: { ORDER: '[A-Z]{2}-\\d+' },
      },
      before: { message: 'WARN: disk almost full' },
      after: { level: 'WARN', message: 'disk almost full' },
    },
    {
      title: 'Nothing matches',
      options: { match: { message: '^%{IP:client}' } },
      before: { message: 'no address' },
      after: { message: 'no address', tags: ['_grokparsefailure'] },
    },
  ],
  compile(options, context) {
    const fields = compileFields(options, context)
    const limits = regexLimits(context, options.timeout_millis)
    const findings = new Map<Event, Finding>()
    const settings = {
      break_on_match: options.break_on_match,
      timeout_ms: options.timeout_millis,
      timeout_scope: options.timeout_scope,
    }
    // Where a pattern looks at what an earlier one sets, events go through field by field; else whole batches do.
    const inStages = !options.break_on_match && readsWhatItSets(fields)
    const stages = (inStages ? fields.map((field) => [field]) : [fields]).map(
      (some) => new Matching({ ...settings, fields: some }),
    )
    const step = (event: Event): void => {
      let matched = false
      for (const stage of stages) {
        if (inStages) void stage.findAll([event], findings, NEVER)
        const finding = findings.get(event)
        findings.delete(event)
        if (finding === undefined) continue
        if (applyAll(event, finding, context)) matched = true
        if (finding.timed_out === undefined) continue
        limits.interrupted?.inc()
        warnOfTimeout(event, finding.timed_out, options.timeout_millis, context)
        for (const tag of options.tag_on_timeout) event.tag(tag)
        return
      }
      if (matched) context.matched(event)
      else for (const tag of options.tag_on_failure) event.tag(tag)
    }
    if (inStages) return step
    const prepare: FilterParts['prepare'] = (events, signal) => {
      findings.clear()
      return stages[0]?.findAll(events, findings, signal)
    }
    return { prepare, step }
  },
})

/** For single events, whose search never waits. */
const NEVER = new AbortController().signal

/** @throws MillraceError REGEX_INVALID with all patterns that cannot be used, OPTION_INVALID */
function compileFields(options: GrokOptions, context: FilterContext): FieldPatterns[] {
  const settings: GrokSettings = { ...options, patterns: patternsOf(options, context) }
  const problems: string[] = []
  const fields = options.match.map(({ name, value }): FieldPatterns => {
    const texts = (value.kind === 'list' ? value.items : [value]).map((item) => ({ at: item.at, text: textOfPattern(item) }))
    const patterns = texts.flatMap(({ at, text }) => {
      try {
        return new GrokPattern(text, settings)
      } catch (thrown) {
        problems.push(`match at ${formatPosition(at)}: ${messageOf(thrown)}`)
        return []
      }
    })
    return { ref: parseFieldRef(name), patterns }
  })
  if (problems.length > 0) throw new MillraceError('REGEX_INVALID', problems.join('; '))
  return fields
}

function textOfPattern(value: ConfigValue): string {
  const report: option.Report = ({ message }) => {
    throw new MillraceError('OPTION_INVALID', `match at ${formatPosition(value.at)}: ${message}`)
  }
  return option.readText(value, report) ?? ''
}

/** The built-in ones, then those of files, then those of the config: the last one of a name counts. */
function patternsOf(options: GrokOptions, context: FilterContext): KnownPatterns {
  const builtIn = builtInPatterns(context.ecs_compatibility === 'disabled' ? 'legacy' : 'ecs')
  const fromFiles = readPatternFiles(
    options.patterns_dir,
    options.patterns_files_glob,
    context.paths.config,
    (path) => context.log.warn('grok_patterns_missing', `${context.where}: patterns_dir: there is no file at ${path}`),
    context.files,
  )
  const own = options.pattern_definitions.map(({ name, value }) => [name, textOfPattern(value)] as const)
  return { builtIn, own: new Map([...fromFiles, ...own]) }
}

function readsWhatItSets(fields: readonly FieldPatterns[]): boolean {
  return fields.some(({ ref }, index) =>
    fields
      .slice(0, index)
      .flatMap(({ patterns }) => patterns.flatMap((pattern) => pattern.fields))
      .some(({ path, in_metadata }) => path[0] === ref.path[0] && in_metadata === ref.in_metadata),
  )
}

/** Whether a pattern matched and everything could be set: what cannot be set counts as no match, as in Logstash. */
function applyAll(event: Event, { found, matched }: Finding, context: FilterContext): boolean {
  try {
    for (const { pattern, match } of found) pattern.apply(event, match)
    return matched
  } catch (thrown) {
    context.log.warn('grok_failure', `${context.where}: the grok filter could not set what it found: ${messageOf(thrown)}`)
    return false
  }
}

function warnOfTimeout(
  event: Event,
  { pattern, ref }: NonNullable<Finding['timed_out']>,
  timeout_ms: number,
  context: FilterContext,
): void {
  context.log.warn(
    'grok_timeout',
    `${context.where}: a match was broken off after ${timeout_ms} ms, of ${ref.text} of ${event.origin?.describe() ?? 'an event'} with ${pattern.text}`,
  )
}
