import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'yaml'
import type { Notification } from './alert-channels.ts'

const RULES = join(import.meta.dirname, '../../deploy/prometheus/alerts.yml')

type Texts = Readonly<Record<string, string>>

interface Rule {
  readonly alert: string
  /** Prometheus' form: `5m`. */
  readonly for?: string
  readonly labels: Texts
  readonly annotations: { readonly summary: string; readonly description: string }
}

/** The alerts of deploy/prometheus/alerts.yml, by name. */
export async function readRules(): Promise<ReadonlyMap<string, Rule>> {
  const { groups } = parse(await readFile(RULES, 'utf8')) as { groups: readonly { rules: readonly Rule[] }[] }
  return new Map(groups.flatMap(({ rules }) => rules).map((rule) => [rule.alert, rule]))
}

/** An alert that fired once: what Prometheus and Alertmanager know of it. */
export interface Firing {
  readonly labels: Texts
  readonly startsAt: string
}

export type Status = 'firing' | 'resolved'

export interface Expected {
  readonly channel: Notification['channel']
  /** What the whole text has to match: of a value that went on changing only that it is one is known. */
  readonly text: RegExp
}

/**
 * What the rule and the routing say that people are told of an alert: critical ones phone, SMS and WeChat, warnings mail and WeChat,
 * others WeChat; that it is over all but the phone.
 */
export function expectedOf(rule: Rule, { labels, startsAt }: Firing, status: Status): readonly Expected[] {
  const severity = rule.labels['severity'] ?? 'none'
  const [summary, description] = [patternOf(rule.annotations.summary, labels), patternOf(rule.annotations.description, labels)]
  const [mark, line] = status === 'resolved' ? [' \\(已恢复\\)', '\n恢复: \\d{4}-\\S+Z'] : ['', '']
  const whole = (channel: Expected['channel'], pattern: string): Expected => ({ channel, text: new RegExp(`^${pattern}$`) })
  const wechat = `【${severity}】\n告警: ${summary}\n详情: ${description}\n时间: ${timePattern(startsAt)}${line}`
  const phone = status === 'firing' ? [whole('phone', summary)] : []
  switch (severity) {
    case 'critical':
      return [...phone, whole('sms', summary + mark), whole('wechat', wechat)]
    case 'warning':
      return [whole('email', `\\[warning\\] ${summary}${mark}\n\n${description}${line}`), whole('wechat', wechat)]
    default:
      return [whole('wechat', wechat)]
  }
}

/** Takes those that match out of a list, one each, and returns what was expected and is not there. */
export function takeExpected(received: Notification[], expected: readonly Expected[]): readonly Expected[] {
  return expected.filter(({ channel, text }) => {
    const at = received.findIndex((one) => one.channel === channel && text.test(one.text))
    if (at >= 0) received.splice(at, 1)
    return at < 0
  })
}

/** A text of a rule as Prometheus fills it in: labels are known, values are numbers or percentages. */
function patternOf(template: string, labels: Texts): string {
  return template
    .split(/(\{\{.*?\}\})/)
    .map((part) => {
      const [, label] = /^\{\{ *\$labels\.(\w+) *\}\}$/.exec(part) ?? []
      if (label !== undefined) return RegExp.escape(labels[label] ?? '')
      if (/^\{\{ *\$value *\}\}$/.test(part)) return '-?[\\d.]+(?:e[+-]?\\d+)?'
      if (/^\{\{ *\$value *\| *humanizePercentage *\}\}$/.test(part)) return '[\\d.]+%'
      return RegExp.escape(part)
    })
    .join('')
}

/** Alertmanager's own API and its webhooks print different numbers of digits behind the second. */
function timePattern(time: string): string {
  return `${RegExp.escape(time.replace(/\.?0*Z$/, ''))}[.\\d]*Z`
}
