import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { AlertChannels, type Channel, type Notification } from './helpers/alert-channels.ts'
import { AlertPipeline, webhook } from './helpers/alert-pipeline.ts'
import { readBooks, settledBooks } from './helpers/books.ts'
import { freePort } from './helpers/free-port.ts'
import { type StubElasticsearch, startStubElasticsearch } from './helpers/stub-elasticsearch.ts'
import { temporaryFolder } from './helpers/temporary-folder.ts'
import { waitFor } from './helpers/wait-for.ts'

// Programs are started, which takes long on a busy machine.
const TIMEOUT_MS = 240_000

const CRITICAL = {
  fingerprint: 'c',
  labels: { alertname: 'RedisDown', severity: 'critical' },
  annotations: { summary: 'Redis is down', description: 'Redis instance a is down' },
}
const WARNING = {
  fingerprint: 'w',
  labels: { alertname: 'DiskSpaceLow', severity: 'warning' },
  annotations: { summary: 'Disk space < 10%', description: 'Disk space on a is 5%' },
}
const TIME = '2026-11-22T12:53:31.054Z'
const NOTIFICATIONS: readonly Notification[] = [
  { channel: 'email', text: '[warning] Disk space < 10%\n\nDisk space on a is 5%' },
  { channel: 'phone', text: 'Redis is down' },
  { channel: 'sms', text: 'Redis is down' },
  { channel: 'wechat', text: `【critical】\n告警: Redis is down\n详情: Redis instance a is down\n时间: ${TIME}` },
  { channel: 'wechat', text: `【warning】\n告警: Disk space < 10%\n详情: Disk space on a is 5%\n时间: ${TIME}` },
]

/** Who takes nothing, and how. */
interface Trouble {
  readonly what: string
  readonly channels: readonly Channel[]
  readonly how: 'away' | 'refuses' | 'hangs'
}

const TROUBLES: readonly Trouble[] = [
  { what: 'phone, mail server and Elasticsearch are away', channels: ['phone', 'email'], how: 'away' },
  { what: 'mail server, robot and Elasticsearch refuse for now', channels: ['email', 'wechat'], how: 'refuses' },
  { what: 'phone, SMS and Elasticsearch never answer', channels: ['phone', 'sms'], how: 'hangs' },
]

interface Troubled {
  readonly channels: AlertChannels
  readonly env: Readonly<Record<string, string>>
  readonly isTriedAgain: () => boolean
  /** All is well from here on; what is stored then. */
  readonly end: () => Promise<StubElasticsearch['documents']>
}

/** Channels and a store of which some are in trouble, until `end`. */
async function inTrouble({ channels: names, how }: Trouble, stack: AsyncDisposableStack): Promise<Troubled> {
  const channels = stack.use(await AlertChannels.start(...(how === 'away' ? names : [])))
  const port = await freePort()
  const start = async (onBulk?: StubElasticsearch['onBulk']): Promise<StubElasticsearch> => {
    const stub = await startStubElasticsearch(onBulk === undefined ? { port } : { port, onBulk })
    stack.defer(() => stub.close())
    return stub
  }
  const env = { ELASTICSEARCH_URL: `http://127.0.0.1:${port}` }
  if (how === 'away') {
    const end = async (): Promise<StubElasticsearch['documents']> => {
      await Promise.all(names.map((name) => channels.open(name)))
      return (await start()).documents
    }
    return { channels, env, isTriedAgain: () => true, end }
  }
  const store = await start(() => (how === 'hangs' ? { status: 503, until: new Promise(() => {}) } : { status: 503 }))
  if (how === 'refuses') {
    channels.mail_refusal = 451
    channels.wechat_busy = Number.POSITIVE_INFINITY
  } else for (const name of names) channels.hanging.add(name)
  const isTriedAgain = (): boolean => {
    const is_tried = how === 'hangs' ? channels.hung > 2 : channels.mails_refused > 1 && channels.wechat_refused > 3
    return is_tried && store.bulks.length > 1
  }
  const end = (): Promise<StubElasticsearch['documents']> => {
    store.onBulk = undefined
    channels.mail_refusal = undefined
    channels.wechat_busy = 0
    channels.hanging.clear()
    return Promise.resolve(store.documents)
  }
  return { channels, env, isTriedAgain, end }
}

function sorted(notifications: readonly Notification[]): readonly Notification[] {
  return notifications.toSorted((a, b) => (a.channel + a.text < b.channel + b.text ? -1 : 1))
}

/** Whether the queue knows that its first body is done. */
async function isNoted(data: string): Promise<boolean> {
  return (await readFile(join(data, 'queue/alerts/position.json'), 'utf8')).includes('["next","2"]')
}

test.each(TROUBLES)(
  '$what: the others are told, and they are when they are back, each once, also after kill -9',
  async (trouble) => {
    await using stack = new AsyncDisposableStack()
    const data = stack.use(await temporaryFolder())
    const { channels, env, isTriedAgain, end } = await inTrouble(trouble, stack)
    const first = await AlertPipeline.start(channels, data.path, env)
    // Alertmanager waits for none of them: it would repeat the group after 10 s without an answer.
    expect(await first.send(await webhook(CRITICAL, WARNING))).toEqual({ status: 200, text: 'ok' })
    const told = NOTIFICATIONS.filter(({ channel }) => !trouble.channels.includes(channel))
    await waitFor('the others to be told', () => channels.received.length >= told.length)
    await waitFor('another try', isTriedAgain)
    await first.program.waitUntil('all to be noted on the disk', () => isNoted(data.path))
    await first.program.kill()
    expect(sorted(channels.received)).toEqual(told)

    const documents = await end()
    await using second = await AlertPipeline.start(channels, data.path, env)
    await waitFor('all to be told', () => channels.received.length >= NOTIFICATIONS.length)
    await waitFor('all to be kept', () => documents.get('exchange-alerts-2026.11')?.size === 2)
    const books = await settledBooks(second.program, 0)
    expect((await second.program.stop()).code).toBe(0)
    expect(books.states['dead_lettered']).toBeUndefined()
    expect(sorted(channels.received)).toEqual(NOTIFICATIONS)
    const ids = [...(documents.get('exchange-alerts-2026.11')?.keys() ?? [])]
    expect(ids.sort()).toEqual([`c-firing-${TIME}`, `w-firing-${TIME}`])
  },
  TIMEOUT_MS,
)

test(
  'kill -9 before that may tell those again who were told already, once more at most, and the one that was away once',
  async () => {
    await using channels = await AlertChannels.start('phone')
    await using data = await temporaryFolder()
    const first = await AlertPipeline.start(channels, data.path)
    expect((await first.send(await webhook(CRITICAL, WARNING))).status).toBe(200)
    await waitFor('the others to be told', () => channels.received.length >= 4)
    await first.program.kill()
    await channels.open('phone')
    await using second = await AlertPipeline.start(channels, data.path)
    await waitFor('the phone to ring', () => channels.textsOf('phone').length > 0)
    await second.program.waitUntil('the end of all', async () => {
      const { held, deliveries_held } = await readBooks(second.program)
      return held === 0 && deliveries_held === 0
    })
    expect((await second.program.stop()).code).toBe(0)
    expect(channels.textsOf('phone')).toEqual(['Redis is down'])
    for (const { channel, text } of NOTIFICATIONS) {
      const times = channels.textsOf(channel).filter((one) => one === text).length
      expect(times, `${channel} ${text}`).toBeGreaterThanOrEqual(1)
      expect(times, `${channel} ${text}`).toBeLessThanOrEqual(2)
    }
    expect(new Set(channels.received.map(({ text }) => text)).size).toBe(4)
  },
  TIMEOUT_MS,
)

test(
  'what Alertmanager repeats after kill -9 rings nobody again, and what is new does',
  async () => {
    await using channels = await AlertChannels.start()
    await using data = await temporaryFolder()
    const body = await webhook(CRITICAL, WARNING)
    const first = await AlertPipeline.start(channels, data.path)
    expect((await first.send(body)).status).toBe(200)
    await waitFor('all to be told', () => channels.received.length >= NOTIFICATIONS.length)
    await first.program.waitUntil('all to be noted on the disk', async () => {
      const [name = ''] = await readdir(join(data.path, 'deduplicate'))
      const seen = await readFile(join(data.path, 'deduplicate', name), 'utf8')
      return seen.includes(`"c-firing-${TIME}"`) && seen.includes(`"w-firing-${TIME}"`) && (await isNoted(data.path))
    })
    await first.program.kill()
    await using second = await AlertPipeline.start(channels, data.path)
    expect((await second.send(body)).status).toBe(200)
    expect((await second.send(await webhook({ ...WARNING, fingerprint: 'n', labels: {} }))).status).toBe(200)
    await waitFor('the new one', () => channels.textsOf('wechat').length >= 3)
    expect((await second.program.stop()).code).toBe(0)
    expect(sorted(channels.received.filter(({ text }) => !text.startsWith('【none】')))).toEqual(NOTIFICATIONS)
    expect(channels.textsOf('wechat')).toHaveLength(3)
  },
  TIMEOUT_MS,
)

test(
  'who refuses for good is in the dead letters once, and the others are told once, however often Alertmanager repeats it',
  async () => {
    await using channels = await AlertChannels.start()
    await using data = await temporaryFolder()
    channels.refusing.add('phone')
    channels.mail_refusal = 550
    const body = await webhook(CRITICAL, WARNING)
    const first = await AlertPipeline.start(channels, data.path)
    for (let times = 1; times <= 2; times++) {
      expect((await first.send(body)).status).toBe(200)
      const { states } = await settledBooks(first.program, times)
      expect(states).toEqual({ consumed: times, dead_lettered: 2, ...(times === 1 ? {} : { dropped: 2 * (times - 1) }) })
    }
    expect((await first.program.stop()).code).toBe(0)
    // What is kept over a restart says so too.
    await using second = await AlertPipeline.start(channels, data.path)
    expect((await second.send(body)).status).toBe(200)
    expect((await settledBooks(second.program, 1)).states).toEqual({ consumed: 1, dropped: 2 })
    expect((await second.program.stop()).code).toBe(0)
    expect(channels.refused).toEqual([{ channel: 'phone', text: 'Redis is down' }])
    expect(channels.mails_refused).toBe(1)
    expect(sorted(channels.received)).toEqual(NOTIFICATIONS.filter(({ channel }) => channel === 'sms' || channel === 'wechat'))
  },
  TIMEOUT_MS,
)
