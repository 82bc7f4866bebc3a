import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { AlertChannels, type Channel } from './helpers/alert-channels.ts'
import { type Alert, AlertPipeline, captured, webhook } from './helpers/alert-pipeline.ts'
import { startStubElasticsearch } from './helpers/stub-elasticsearch.ts'
import { temporaryFolder } from './helpers/temporary-folder.ts'
import { waitFor } from './helpers/wait-for.ts'

// Programs are started, which takes long on a busy machine.
const TIMEOUT_MS = 240_000

type Kept = Readonly<Record<string, readonly Alert[]>>

/** The documents that are kept, by the name of their index, once there are so many. */
async function kept(data: string, count: number): Promise<Kept> {
  return await waitFor(`${count} documents`, async () => {
    const documents = await readKept(data)
    return Object.values(documents).flat().length >= count && documents
  })
}

async function readKept(data: string): Promise<Kept> {
  const names = (await readdir(data)).filter((name) => name.endsWith('.ndjson'))
  const documents = names.map(async (name) => {
    const lines = (await readFile(join(data, name), 'utf8')).trimEnd().split('\n')
    return [name.replace('.ndjson', ''), lines.map((line) => JSON.parse(line) as Alert)] as const
  })
  return Object.fromEntries(await Promise.all(documents))
}

async function received(channels: AlertChannels, count: number): Promise<void> {
  await waitFor(`${count} notifications`, () => channels.received.length >= count)
}

const CRITICAL = `【critical】
告警: order-service logs 10.9 errors/s
详情: 
时间: 2026-11-22T12:53:31.054Z`

test(
  'what Alertmanager sends reaches those whom it concerns, and is kept',
  async () => {
    await using channels = await AlertChannels.start()
    await using data = await temporaryFolder()
    await using alerts = await AlertPipeline.start(channels, data.path)

    expect(await alerts.send(await captured('0.31.1-firing'))).toEqual({ status: 200, text: 'ok' })
    await received(channels, 3)
    expect(channels.received).toEqual(
      expect.arrayContaining([
        { channel: 'phone', text: 'order-service logs 10.9 errors/s' },
        { channel: 'sms', text: 'order-service logs 10.9 errors/s' },
        { channel: 'wechat', text: CRITICAL },
      ]),
    )
    const document = {
      '@timestamp': '2026-11-22T12:53:31.054Z',
      '@version': '1',
      receiver: 'hook',
      version: '4',
      status: 'firing',
      labels: { alertname: 'HighErrorRate', service: 'order-service', severity: 'critical' },
      annotations: { summary: 'order-service logs 10.9 errors/s' },
      startsAt: '2026-11-22T12:53:31.054Z',
      fingerprint: 'db70c76e1fe3b917',
      groupKey: '{}:{alertname="HighErrorRate", service="order-service"}',
    }
    expect(await kept(data.path, 1)).toMatchObject({ 'exchange-alerts-2026.11': [document] })

    // That it is over is told to all but the phone. It began at another time than the one above.
    expect((await alerts.send(await captured('0.31.1-resolved'))).status).toBe(200)
    await received(channels, 5)
    expect(channels.received.slice(3)).toEqual(
      expect.arrayContaining([
        { channel: 'sms', text: 'x (已恢复)' },
        { channel: 'wechat', text: '【critical】\n告警: x\n详情: \n时间: 2026-11-22T12:53:33Z\n恢复: 2026-11-22T12:53:36Z' },
      ]),
    )
    expect((await kept(data.path, 2))['exchange-alerts-2026.11']).toMatchObject([
      { status: 'firing' },
      { status: 'resolved', endsAt: '2026-11-22T12:53:36Z' },
    ])
    const { code } = await alerts.program.stop()
    expect({ code, received: channels.received.length }).toEqual({ code: 0, received: 5 })
  },
  TIMEOUT_MS,
)

test(
  'alerts of one body go each its way by severity, each once',
  async () => {
    await using channels = await AlertChannels.start()
    channels.wechat_busy = 2
    await using data = await temporaryFolder()
    const first = await AlertPipeline.start(channels, data.path)
    const annotations = { summary: 'API P99 latency > 1s', description: 'API P99 latency is 1.5s' }
    const [warning, info, bare] = [
      { fingerprint: 'w', labels: { alertname: 'APIHighLatency', severity: 'warning' }, annotations },
      { fingerprint: 'i', labels: { alertname: 'Rollout', severity: 'info' }, annotations: { description: '%{[labels]}' } },
      { fingerprint: undefined, labels: { alertname: 'Unlabelled', instance: 'a' }, annotations: undefined },
    ]
    const other = { ...bare, labels: { alertname: 'Unlabelled', instance: 'b' } }
    const body = await webhook(warning, info, bare, other)
    const expected: readonly (readonly [Channel, string])[] = [
      ['email', '[warning] API P99 latency > 1s\n\nAPI P99 latency is 1.5s'],
      ['wechat', '【warning】\n告警: API P99 latency > 1s\n详情: API P99 latency is 1.5s'],
      ['wechat', '【info】\n告警: Rollout\n详情: %{[labels]}'],
      ['wechat', '【none】\n告警: Unlabelled\n详情: '],
      ['wechat', '【none】\n告警: Unlabelled\n详情: '],
    ]
    for (let again = 0; again < 2; again++) expect((await first.send(body)).status).toBe(200)
    await received(channels, 5)
    expect((await first.program.stop()).code).toBe(0)
    const time = '\n时间: 2026-11-22T12:53:31.054Z'
    const notifications = expected.map(([channel, text]) => ({ channel, text: channel === 'wechat' ? text + time : text }))
    expect(channels.received).toHaveLength(5)
    expect(channels.received).toEqual(expect.arrayContaining(notifications))

    // After a restart too; and a new start, or its end, is news.
    await using second = await AlertPipeline.start(channels, data.path)
    const later = { ...warning, startsAt: '2026-12-01T00:00:00Z' }
    const over = { ...later, status: 'resolved', endsAt: '2026-12-01T01:00:00Z' }
    for (const next of [body, await webhook(later), await webhook(over)]) expect((await second.send(next)).status).toBe(200)
    await received(channels, 9)
    // Mails of one batch go over several connections.
    expect(new Set(channels.textsOf('email').slice(1))).toEqual(
      new Set([
        '[warning] API P99 latency > 1s\n\nAPI P99 latency is 1.5s',
        '[warning] API P99 latency > 1s (已恢复)\n\nAPI P99 latency is 1.5s\n恢复: 2026-12-01T01:00:00Z',
      ]),
    )
    const documents = await kept(data.path, 6)
    expect((await second.program.stop()).code).toBe(0)
    expect(channels.received).toHaveLength(9)
    expect(Object.entries(documents).map(([index, { length }]) => [index, length])).toEqual([
      ['exchange-alerts-2026.11', 4],
      ['exchange-alerts-2026.12', 2],
    ])
  },
  TIMEOUT_MS,
)

test(
  'alerts that lack something, or have too much of it, are told all the same',
  async () => {
    await using channels = await AlertChannels.start()
    await using data = await temporaryFolder()
    await using alerts = await AlertPipeline.start(channels, data.path)
    const startsAt = '2026-11-22T12:53:31.054123456Z'
    const [summary, long] = ['磁'.repeat(200), '盘'.repeat(5_000)]
    const critical = { alertname: 'Disk', severity: 'critical' }
    const body = await webhook(
      { fingerprint: '1', startsAt, labels: { cluster: 'a' }, annotations: {} },
      { fingerprint: '2', startsAt, labels: critical, annotations: { summary: '', description: 'C:\\new' } },
      { fingerprint: '3', startsAt, labels: critical, annotations: { summary: 'over' }, status: 'resolved', endsAt: undefined },
      {
        fingerprint: '4',
        startsAt,
        labels: { alertname: 'Disk', severity: 'warning' },
        annotations: { summary, description: long },
      },
      {
        fingerprint: '5',
        startsAt,
        labels: { severity: 'Critical' },
        annotations: { summary: 'another word', description: 'a\nb' },
      },
    )
    expect((await alerts.send(body)).status).toBe(200)
    await received(channels, 9)
    expect((await alerts.program.stop()).code).toBe(0)
    const wechat = (severity: string, what: string, description: string): string =>
      `【${severity}】\n告警: ${what}\n详情: ${description}\n时间: ${startsAt}`
    expect(channels.textsOf('phone')).toEqual(['Disk'])
    expect(channels.textsOf('sms').toSorted()).toEqual(['Disk', 'over (已恢复)'])
    expect(channels.textsOf('email')).toEqual([`[warning] ${summary}\n\n${long}`])
    expect(channels.textsOf('wechat').toSorted()).toEqual(
      [
        wechat('none', '{"cluster":"a"}', ''),
        wechat('critical', 'Disk', 'C:\\new'),
        wechat('critical', 'over', ''),
        wechat('warning', '磁'.repeat(133), `${'盘'.repeat(466)}…`),
        wechat('Critical', 'another word', 'a\nb'),
      ].toSorted(),
    )
    expect(channels.wechat_refused).toBe(0)
    const documents = (await readKept(data.path))['exchange-alerts-2026.11'] ?? []
    expect(documents.map(({ fingerprint }) => String(fingerprint)).toSorted()).toEqual(['1', '2', '3', '4', '5'])
    expect(JSON.stringify(documents)).not.toContain('%{')
  },
  TIMEOUT_MS,
)

test(
  "a body that is not Alertmanager's gets 400 and the reason",
  async () => {
    await using channels = await AlertChannels.start()
    await using data = await temporaryFolder()
    await using alerts = await AlertPipeline.start(channels, data.path)
    const real = await captured('0.31.1-firing')
    const alert = real.alerts[0]
    const { version, groupKey, status } = real
    const group = { version, groupKey, status }
    const bodies: readonly (readonly [body: unknown, reason: string])[] = [
      ['{"alerts":', 'is no JSON object: Unexpected end of JSON input at position 10'],
      [JSON.stringify(real).slice(0, 100), 'is no JSON object: Unterminated string in JSON at position 100 (line 1 column 101)'],
      ['', 'the body has no event in it'],
      ['[]', 'the body has no event in it'],
      ['"text"', 'is no JSON object: expected an object or a list of objects'],
      [{ hello: 'world' }, 'lacks version, groupKey, status, [alerts][0], a list at alerts'],
      [{ ...group, alerts: [] }, 'lacks [alerts][0]'],
      [{ ...group, alerts: 'all' }, 'lacks [alerts][0], a list at alerts'],
      [
        { ...group, alerts: [alert, { message: 'hello' }] },
        'lacks [alerts][1][status], [alerts][1][labels], [alerts][1][startsAt]',
      ],
      [
        { ...group, alerts: [alert, null, { ...alert, startsAt: null }] },
        'lacks [alerts][1][status], [alerts][1][labels], [alerts][1][startsAt], [alerts][2][startsAt]',
      ],
    ]
    for (const [body, reason] of bodies) {
      const answer = await alerts.send(body)
      expect(`${answer.status} ${answer.text.replace('event 1 of the body ', '')}`).toBe(`400 ${reason}`)
    }
    expect((await alerts.program.stop()).code).toBe(0)
    expect([channels.received, await readKept(data.path)]).toEqual([[], {}])
  },
  TIMEOUT_MS,
)

test(
  'with a user and a password nobody else rings',
  async () => {
    await using channels = await AlertChannels.start()
    await using data = await temporaryFolder()
    await using alerts = await AlertPipeline.start(channels, data.path, { ALERTS_USER: 'am', ALERTS_PASSWORD: 'secret' })
    const body = await captured('0.25.0-firing')
    expect((await alerts.send(body)).status).toBe(401)
    const authorization = `Basic ${Buffer.from('am:secret').toString('base64')}`
    expect((await alerts.send(body, { authorization })).status).toBe(200)
    await received(channels, 3)
  },
  TIMEOUT_MS,
)

test(
  'in Elasticsearch each alert is one document of the month in which it began, however often it comes',
  async () => {
    await using channels = await AlertChannels.start()
    const elasticsearch = await startStubElasticsearch()
    const body = await captured('0.31.1-firing')
    const wanted = body.alerts.map(({ fingerprint, status, startsAt }) => [fingerprint, status, startsAt].join('-'))
    for (const round of [1, 2]) {
      // A folder of its own: this program does not know what the other one has seen.
      await using data = await temporaryFolder()
      await using alerts = await AlertPipeline.start(channels, data.path, { ELASTICSEARCH_URL: elasticsearch.url })
      expect((await alerts.send(body)).status).toBe(200)
      await received(channels, round * 3)
      await alerts.program.waitUntil('the alerts to be kept', () => elasticsearch.documents.get('exchange-alerts-2026.11')?.size)
      expect(await alerts.program.stop()).toEqual({ code: 0, signal: null })
    }
    const [index, ...others] = [...elasticsearch.documents.keys()]
    expect([index, others]).toEqual(['exchange-alerts-2026.11', []])
    const stored = elasticsearch.documents.get('exchange-alerts-2026.11') ?? new Map<string, string>()
    expect([...stored.keys()].sort()).toEqual(wanted.sort())
    expect(JSON.parse([...stored.values()][0] ?? '')).toMatchObject({ status: 'firing', labels: { severity: 'critical' } })
    await elasticsearch.close()
  },
  TIMEOUT_MS,
)
