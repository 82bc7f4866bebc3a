import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { AlertChannels } from '../helpers/alert-channels.ts'
import { ALERTS_CONFIG, AlertPipeline, type Kept } from '../helpers/alert-pipeline.ts'
import { Alertmanager, type ManagedAlert, type PostedAlert } from '../helpers/alertmanager.ts'
import { readSamples } from '../helpers/books.ts'
import { reasonAgainst } from '../helpers/prometheus.ts'
import { orSkip } from '../helpers/servers.ts'
import { temporaryFolder } from '../helpers/temporary-folder.ts'
import { waitFor } from '../helpers/wait-for.ts'

const TIMEOUT_MS = 240_000
/** A group of critical alerts waits 0.5 s, one of warnings 1.5 s and then 15 s. */
const SCALE = 20

function alertOf(severity: string, alertname: string, labels: Readonly<Record<string, string>> = {}): PostedAlert {
  const told = [severity, alertname, labels['instance'], labels['cluster']].filter((text) => text !== undefined).join(' ')
  // Over only when it is said: nobody repeats it here.
  const endsAt = new Date(Date.now() + 3_600_000).toISOString()
  return { labels: { severity, alertname, ...labels }, annotations: { summary: told, description: '' }, endsAt }
}

interface Stack extends AsyncDisposable {
  readonly channels: AlertChannels
  readonly alertmanager: Alertmanager
  readonly pipeline: AlertPipeline
}

async function start(context: { skip(note?: string): never }, scale: number, config?: string): Promise<Stack> {
  const missing = await reasonAgainst('prometheus-alertmanager')
  if (missing !== undefined) orSkip(context, missing)
  const stack = new AsyncDisposableStack()
  const channels = stack.use(await AlertChannels.start())
  const data = stack.use(await temporaryFolder())
  const pipeline = stack.use(await AlertPipeline.start(channels, data.path, {}, config))
  const alertmanager = stack.use(await Alertmanager.start(new URL(pipeline.url).host, scale))
  return { channels, alertmanager, pipeline, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

const mailed = ({ channels }: Stack, summary: string): number =>
  channels.textsOf('email').filter((text) => text.startsWith(`[warning] ${summary}`)).length
const messaged = ({ channels }: Stack, text: string): number => channels.textsOf('sms').filter((one) => one === text).length

test(
  'a critical alert takes the place of the warning of the same name and instance, until it is over, and of no other',
  async (context) => {
    await using stack = await start(context, SCALE)
    const { alertmanager, channels } = stack
    const critical = alertOf('critical', 'Lag', { instance: 'a' })
    await alertmanager.post(
      critical,
      alertOf('critical', 'Disk', { instance: 'a' }),
      alertOf('critical', 'Load', { instance: 'a' }),
    )
    await waitFor('three critical alerts', () => channels.textsOf('phone').length === 3)
    await alertmanager.post(
      alertOf('warning', 'Lag', { instance: 'a' }),
      alertOf('warning', 'Disk', { instance: 'b' }),
      alertOf('warning', 'Memory', { instance: 'a' }),
    )
    await waitFor(
      'the warnings that nothing inhibits',
      () => mailed(stack, 'warning Disk b') + mailed(stack, 'warning Memory a') === 2,
    )
    const lag = (alerts: readonly ManagedAlert[], severity: string): ManagedAlert | undefined =>
      alerts.find(({ labels }) => labels['alertname'] === 'Lag' && labels['severity'] === severity)
    const inhibited = await alertmanager.alerts()
    expect(lag(inhibited, 'warning')?.status).toMatchObject({
      state: 'suppressed',
      inhibitedBy: [lag(inhibited, 'critical')?.fingerprint],
    })
    expect(inhibited.filter(({ status }) => status.state === 'suppressed')).toHaveLength(1)
    // One that was posted later has come: the one before is not only late.
    await alertmanager.post(alertOf('warning', 'Later'))
    await waitFor('a later warning', () => mailed(stack, 'warning Later') === 1)
    expect(channels.textsOf('wechat').filter((text) => text.includes('Lag'))).toHaveLength(1)
    expect(mailed(stack, 'warning Lag')).toBe(0)

    await alertmanager.post({ ...critical, endsAt: new Date().toISOString() })
    await waitFor('the warning, now that nothing is worse', () => mailed(stack, 'warning Lag a') === 1)
    await waitFor('the end of the critical one', () => messaged(stack, 'critical Lag a (已恢复)') === 1)
    expect(channels.textsOf('phone').toSorted()).toEqual(['critical Disk a', 'critical Lag a', 'critical Load a'])
    expect(channels.textsOf('email').toSorted()).toEqual(
      ['Disk b', 'Lag a', 'Later', 'Memory a'].map((what) => `[warning] warning ${what}\n\n`),
    )
  },
  TIMEOUT_MS,
)

test(
  'what has its name and cluster in common comes in one body; critical alerts do not wait for more, warnings do',
  async (context) => {
    await using stack = await start(context, SCALE)
    const { alertmanager, channels, pipeline } = stack
    const posted = ['critical', 'warning'].flatMap((severity) => [
      alertOf(severity, 'Slow', { instance: `${severity} 1`, cluster: 'x' }),
      alertOf(severity, 'Slow', { instance: `${severity} 2`, cluster: 'x' }),
      alertOf(severity, 'Slow', { instance: `${severity} 3`, cluster: 'y' }),
    ])
    await alertmanager.post(...posted, alertOf('info', 'Slow', { instance: 'info 1', cluster: 'x' }))
    await waitFor('the warnings', () => channels.textsOf('email').length === 3)
    // They were told later by Alertmanager.
    expect(channels.textsOf('phone')).toHaveLength(3)
    const groups = await waitFor('all to be kept', async () => {
      const kept = await pipeline.kept()
      return kept.length === 7 && Object.groupBy(kept, ({ receiver, groupKey }) => `${receiver} ${groupKey}`)
    })
    const instancesOf = ([key, kept = []]: [string, Kept[] | undefined]): string =>
      `${key.replace(/ .*cluster=/, ' ')} ${kept
        .map(({ labels }) => labels['instance'] ?? '')
        .toSorted()
        .join()}`
    expect(Object.entries(groups).map(instancesOf).sort()).toEqual([
      'critical-alerts "x"} critical 1,critical 2',
      'critical-alerts "y"} critical 3',
      'default "x"} info 1',
      'warning-alerts "x"} warning 1,warning 2',
      'warning-alerts "y"} warning 3',
    ])
    expect(await bodiesOf(pipeline)).toBe(5)

    // Of groups that were told already: a critical one follows after 0.5 s, a warning after 15, each with those that were told before.
    await alertmanager.post(
      alertOf('warning', 'Slow', { instance: 'warning 4', cluster: 'x' }),
      alertOf('critical', 'Slow', { instance: 'critical 4', cluster: 'x' }),
    )
    await waitFor('the critical one', () => messaged(stack, 'critical Slow critical 4 x') === 1)
    expect([channels.textsOf('email').length, await bodiesOf(pipeline)]).toEqual([3, 6])
    await waitFor('the warning', () => mailed(stack, 'warning Slow warning 4 x') === 1)
    expect([channels.textsOf('email').length, channels.textsOf('sms').length, await bodiesOf(pipeline)]).toEqual([4, 4, 7])
  },
  TIMEOUT_MS,
)

test(
  'what goes on rings again after repeat_interval, and nothing of it before',
  async (context) => {
    await using folder = await temporaryFolder()
    // 12 h are 18 s then, and what is less than that by more than a busy machine may be late stands for the 11 h.
    const config = join(folder.path, 'alerts.json')
    await writeFile(config, (await readFile(ALERTS_CONFIG, 'utf8')).replace('"window": "11h"', '"window": "12 s"'))
    await using stack = await start(context, 2_400, config)
    const { alertmanager, channels, pipeline } = stack
    await alertmanager.post(alertOf('critical', 'Down', { instance: 'a' }))
    await waitFor('the phone', () => channels.textsOf('phone').length === 1)
    // Its group is sent again with another one.
    await alertmanager.post(alertOf('critical', 'Down', { instance: 'b' }))
    await waitFor('the next one', () => messaged(stack, 'critical Down b') === 1)
    expect(messaged(stack, 'critical Down a')).toBe(1)
    const bodies = await bodiesOf(pipeline)
    await waitFor('the repeat', () => messaged(stack, 'critical Down a') === 2)
    expect(await bodiesOf(pipeline)).toBeGreaterThan(bodies)
  },
  TIMEOUT_MS,
)

/** How many webhooks it took. */
async function bodiesOf({ program }: AlertPipeline): Promise<number> {
  const samples = readSamples(await program.metrics()).filter(({ name }) => name === 'millrace_http_requests_total')
  expect(samples.map(({ labels }) => labels['code'])).toEqual(['200'])
  return samples[0]?.value ?? 0
}
