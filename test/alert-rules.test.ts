import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { prometheusTool } from './helpers/prometheus.ts'
import { type AlertRule, mistakesIn, readKnownMetrics } from './helpers/rule-mistakes.ts'
import { orSkip } from './helpers/servers.ts'

const DEPLOY = join(import.meta.dirname, '../deploy')
const RULES = join(DEPLOY, 'prometheus/alerts.yml')
const RULE_TESTS = join(DEPLOY, 'prometheus/rules.test.yml')
/** The exchange's own rules, the user's text unchanged. */
const SEED_RULES = join(import.meta.dirname, 'seed/alerts.yml')
const ALERTMANAGER = join(DEPLOY, 'alertmanager/alertmanager.yml')

interface Rules {
  readonly groups: readonly { readonly name: string; readonly rules: readonly AlertRule[] }[]
}

interface RuleTests {
  readonly tests: readonly {
    readonly alert_rule_test: readonly { readonly alertname: string; readonly exp_alerts: readonly object[] }[]
  }[]
}

interface AlertmanagerConfig {
  readonly route: { readonly receiver: string; readonly [option: string]: unknown }
  readonly receivers: readonly { readonly name: string; readonly webhook_configs: readonly object[] }[]
  readonly inhibit_rules: readonly object[]
}

async function read<T>(path: string): Promise<T> {
  return parse(await readFile(path, 'utf8')) as T
}

test.for([
  ['check', 'config', join(DEPLOY, 'prometheus/prometheus.yml')],
  ['check', 'rules', RULES],
  ['test', 'rules', RULE_TESTS],
])('promtool %s %s', async (args, context) => {
  const promtool = orSkip(context, await prometheusTool('promtool'))
  expect(await promtool.run(args)).toContain('SUCCESS')
})

test("the exchange's ten alerts are its own as written: expression, for, labels and annotations, and nothing else", async () => {
  const [ours, seed] = [await read<Rules>(RULES), await read<Rules>(SEED_RULES)]
  expect(seed.groups.map(({ name, rules }) => [name, rules.length])).toEqual([['exchange_alerts', 10]])
  expect(ours.groups[0]).toEqual(seed.groups[0])
})

test('every alert asks for metrics and labels that there are, and its text names labels that are left', async () => {
  const known = await readKnownMetrics()
  const rules = (await read<Rules>(RULES)).groups.flatMap((group) => group.rules)
  expect(rules.length).toBeGreaterThan(10)
  expect(rules.map((rule) => [rule.alert, mistakesIn(rule, known)])).toEqual(rules.map(({ alert }) => [alert, []]))
})

test.for([
  ['millrace_gone == 0', '', ['no millrace_gone']],
  ['millrace_log_to_stored_seconds > 300', '', ['no millrace_log_to_stored_seconds']],
  ['exchange_api_duration_seconds_bucket{quantile="0.5"} > 1', '', ['no label quantile: exchange_api_duration_seconds_bucket']],
  ['millrace_output_up{input="a", output!~"{b}"} == 0', '', ['no label input: millrace_output_up']],
  ['sum by (input) (rate(millrace_output_retries_total[5m])) > 0', '', ['no label input: millrace_output_retries_total']],
  ['sum without (state) (millrace_events_total) > 0', 'at {{ $labels.state }}', ['no label state is left']],
  ['max by (pipeline) (millrace_input_up) < 1', '{{ $labels.input }} of {{ $labels.pipeline }}', ['no label input is left']],
  ['kafka_consumer_lag > 1', '{{ $labels.broker }}', ['no label broker is left']],
  ['vector(0) > 1', '', ['no metric at all']],
  ['up{job="exchange_gone"} == 0 and on (instance) redis_up == 0', '{{ $labels.instance }}', []],
] as const)('%s with the text "%s": %j', async ([expr, description, mistakes]) => {
  expect(mistakesIn({ alert: 'Test', expr, annotations: { description } }, await readKnownMetrics())).toEqual(mistakes)
})

test('every alert is tested firing and not firing', async () => {
  const { groups } = await read<Rules>(RULES)
  const alerts = groups.flatMap(({ rules }) => rules.map(({ alert }) => alert))
  const cases = (await read<RuleTests>(RULE_TESTS)).tests.flatMap(({ alert_rule_test }) => alert_rule_test)
  const firing = (fires: boolean): string[] => [
    ...new Set(cases.filter(({ exp_alerts }) => exp_alerts.length > 0 === fires).map(({ alertname }) => alertname)),
  ]
  expect(groups.map(({ rules }) => rules.length)).toEqual([10, 10])
  expect(firing(true).sort()).toEqual(alerts.toSorted())
  expect(firing(false).sort()).toEqual(alerts.toSorted())
})

test('amtool check-config', async (context) => {
  const amtool = orSkip(context, await prometheusTool('amtool'))
  expect(await amtool.run(['check-config', ALERTMANAGER])).toContain('SUCCESS')
})

test.for([
  [['severity=critical'], 'critical-alerts'],
  [['severity=warning', 'alertname=DiskSpaceLow'], 'warning-alerts'],
  [['severity=info'], 'default'],
  [['alertname=Unknown'], 'default'],
] as const)('amtool config routes test %j: %s', async ([labels, receiver], context) => {
  const amtool = orSkip(context, await prometheusTool('amtool'))
  const args = ['config', 'routes', 'test', `--config.file=${ALERTMANAGER}`, `--verify.receivers=${receiver}`, ...labels]
  expect(await amtool.run(args)).toContain(receiver)
})

test('Alertmanager has timings by severity and inhibition, and each receiver is the same webhook', async () => {
  const { route, receivers, inhibit_rules } = await read<AlertmanagerConfig>(ALERTMANAGER)
  expect(route).toMatchObject({
    receiver: 'default',
    group_by: ['alertname', 'cluster'],
    group_wait: '10s',
    group_interval: '10s',
    repeat_interval: '12h',
    routes: [
      { receiver: 'critical-alerts', matchers: ['severity="critical"'], continue: true },
      { receiver: 'warning-alerts', matchers: ['severity="warning"'], group_wait: '30s', group_interval: '5m' },
    ],
  })
  expect(inhibit_rules).toEqual([
    {
      source_matchers: ['severity="critical"'],
      target_matchers: ['severity="warning"'],
      equal: ['alertname', 'instance'],
    },
  ])
  const webhook = [{ url: 'http://millrace-alerts:8080/webhook', send_resolved: true, max_alerts: 10_000 }]
  expect(receivers).toEqual(['default', 'critical-alerts', 'warning-alerts'].map((name) => ({ name, webhook_configs: webhook })))
})
