import { defineFilter } from '../../core/component.ts'
import type { Counter } from '../../core/context.ts'
import type { FilterContext } from '../../core/contracts.ts'
import { MillraceError } from '../../core/errors.ts'
import type { Event } from '../../core/event.ts'
import type { FieldRef } from '../../core/field-ref.ts'
import * as option from '../../core/options/options.ts'
import { guardedRegex, isInterrupted, regexLimits } from '../../core/regex/guard.ts'
import { type Fields, isFields, setMember, type Value } from '../../core/values.ts'
import { BUILT_IN_RULES, type RedactRule } from './rules.ts'

const RULE_NAMES = ['card', 'token', 'api_key', 'private_key', 'email'] as const

const REDACT_OPTIONS = {
  fields: option.fieldRefs('Fields whose texts are looked at, at any depth. Default: all of the event, without its metadata.'),
  rules: ruleNames('What is taken out. Default: all of them.'),
  patterns: option.hash("Rules of your own: names, and regular expressions in Ruby's syntax."),
  replacement: option.string('What is put in its place.', { default: '[redacted]' }),
}

type RedactOptions = option.OptionValues<typeof REDACT_OPTIONS>

/** A text without what the rules take out; the same text where there is nothing. */
type Redact = (text: string) => string

export const redact = defineFilter({
  name: 'redact',
  summary: 'Takes card numbers, tokens, keys and mail addresses out of texts.',
  description: `
| rule | takes out |
|---|---|
| \`card\` | numbers of payment cards, with blanks or hyphens too: by the issuer's first digits, the length and Luhn's check digit |
| \`token\` | JSON Web Tokens, what follows \`Bearer\`, and the credentials behind \`Authorization:\` |
| \`api_key\` | keys that a prefix gives away: AWS, GitHub, GitLab, Slack, Google, Stripe, npm |
| \`private_key\` | private keys in PEM form |
| \`email\` | mail addresses |

Only texts are looked at, never numbers or the names of fields; \`add_tag\` and the like act on events that something was taken out
of. \`millrace_redacted_total\` counts by rule. A text on which a pattern of your own takes too long is replaced as a whole.

Put it in front of whatever stores or copies the event; a rule that has not been written finds nothing, so look at what your programs log.
`.trim(),
  options: REDACT_OPTIONS,
  examples: [
    {
      title: 'Everything that a rule knows',
      options: { add_tag: ['redacted'] },
      before: {
        message: 'card 4111 1111 1111 1111 of eve@example.com, order 4111111111111112',
        user: { mail: 'eve@example.com' },
      },
      after: {
        message: 'card [redacted] of [redacted], order 4111111111111112',
        user: { mail: '[redacted]' },
        tags: ['redacted'],
      },
    },
    {
      title: 'A rule of your own, in one field',
      options: { fields: ['message'], rules: [], patterns: { account: '\\bACC-\\d{6}\\b' }, replacement: 'ACC-*' },
      before: { message: 'from ACC-123456 to ACC-654321', note: 'ACC-123456' },
      after: { message: 'from ACC-* to ACC-*', note: 'ACC-123456' },
    },
  ],
  compile(options, context) {
    const redactText = compileRedact([...builtIn(options), ...ownRules(options, context)], options.replacement, context)
    const { fields } = options
    return (event) => {
      const is_changed = fields === undefined ? redactAll(event, redactText) : redactFields(event, fields, redactText)
      if (is_changed) context.matched(event)
    }
  },
})

function ruleNames(summary: string): option.Option<readonly string[]> {
  const texts = option.list(summary, { default: RULE_NAMES })
  return {
    ...texts,
    schema: { ...texts.schema, anyOf: [{ type: 'array', items: { enum: RULE_NAMES } }, { enum: RULE_NAMES }] },
    read: (value, report) => {
      const names = texts.read(value, report)
      const wrong = names?.find((name) => !RULE_NAMES.some((known) => known === name))
      if (value === undefined || wrong === undefined) return names
      report({ code: 'CONFIG_INVALID_OPTION', at: value.at, message: `expected some of ${RULE_NAMES.join(', ')}, got ${wrong}` })
      return undefined
    },
  }
}

function builtIn({ rules }: RedactOptions): RedactRule[] {
  return BUILT_IN_RULES.filter(({ name }) => rules.includes(name))
}

function ownRules({ patterns = [] }: RedactOptions, context: FilterContext): RedactRule[] {
  const limits = regexLimits(context)
  return patterns.map(({ name, value }) => {
    const source = option.readText(value, ({ message }) => {
      throw new MillraceError('OPTION_INVALID', `patterns.${name}: ${message}`)
    })
    const regex = guardedRegex(source ?? '', 'g', limits)
    return {
      name,
      mayBeIn: () => true,
      // An empty match takes nothing out.
      replace: (text, replacement) => regex.replace(text, (found) => (found === '' ? '' : replacement())),
    }
  })
}

function compileRedact(rules: readonly RedactRule[], replacement: string, context: FilterContext): Redact {
  const counted = rules.map((rule): { readonly rule: RedactRule; readonly take: () => string; readonly counter: Counter } => {
    const counter = context.metrics.counter('millrace_redacted_total', 'Secrets that the redact filter took out of events.', {
      component: context.id,
      rule: rule.name,
    })
    const take = (): string => {
      counter.inc()
      return replacement
    }
    return { rule, take, counter }
  })
  return (text) => {
    let redacted = text
    for (const { rule, take, counter } of counted) {
      if (!rule.mayBeIn(redacted)) continue
      try {
        redacted = rule.replace(redacted, take)
      } catch (thrown) {
        if (!isInterrupted(thrown)) throw thrown
        counter.inc()
        return replacement
      }
    }
    return redacted
  }
}

/** Fields of the event that hold no text of a sender's. */
const PASSED_OVER: readonly string[] = ['@timestamp', '@version']

function redactAll(event: Event, redactText: Redact): boolean {
  let is_changed = false
  for (const [name, value] of event.entries()) {
    if (PASSED_OVER.includes(name)) continue
    const redacted = redactValue(value, redactText)
    if (redacted === value) continue
    // A name from outside may be no field reference.
    event.set({ text: name, in_metadata: false, path: [name] }, redacted)
    is_changed = true
  }
  return is_changed
}

function redactFields(event: Event, fields: readonly FieldRef[], redactText: Redact): boolean {
  let is_changed = false
  for (const field of fields) {
    const value = event.get(field)
    const redacted = value === undefined ? undefined : redactValue(value, redactText)
    if (redacted === undefined || redacted === value) continue
    event.set(field, redacted)
    is_changed = true
  }
  return is_changed
}

/** The same value where nothing in it changed. */
function redactValue(value: Value, redactText: Redact): Value {
  if (typeof value === 'string') return redactText(value)
  if (Array.isArray(value)) {
    const items = value.map((item) => redactValue(item, redactText))
    return items.every((item, index) => item === value[index]) ? value : items
  }
  return isFields(value) ? redactMap(value, redactText) : value
}

function redactMap(map: Fields, redactText: Redact): Fields {
  let changed: Fields | undefined
  for (const [name, value] of Object.entries(map)) {
    const redacted = value === undefined ? undefined : redactValue(value, redactText)
    if (redacted === undefined || redacted === value) continue
    changed ??= { ...map }
    setMember(changed, name, redacted)
  }
  return changed ?? map
}
