import { expect, test } from 'vitest'
import { all, type RunningPipelines, startPipelines, TestEnds } from '../../test/helpers/pipeline.ts'
import { waitFor } from '../../test/helpers/wait-for.ts'

const QUICK = { timeout_ms: 60_000 }

/** A pipeline from `from` (an address, or a test's input) to outputs. */
function pipeline(id: string, from: object, outputs: readonly object[], filters: readonly object[] = []): object {
  return { pipeline: { id }, inputs: [from], filters, outputs }
}

const at = (address: string): object => ({ pipeline: { address } })
const to = (...send_to: string[]): object => ({ pipeline: { send_to } })

function everythingBalances({ pipelines, budget }: RunningPipelines): void {
  expect(pipelines.map(({ ledger }) => ledger.totals().unbalanced)).toEqual(pipelines.map(() => 0))
  expect(pipelines.flatMap(({ outputs }) => outputs.map(({ ledger }) => ledger.totals().unbalanced)).filter(Boolean)).toEqual([])
  expect(budget.used).toBe(0)
}

test('distributor: conditions choose the pipeline, and metadata goes with the event', async () => {
  const ends = [new TestEnds('in'), new TestEnds('web'), new TestEnds('db')] as const
  const choose = { if: '[type] == "web"', then: [to('web')], else: [to('db')] }
  const marks = [{ mutate: { add_field: { '[@metadata][way]': 'marked' } } }]
  const copies = [{ mutate: { add_field: { way: '%{[@metadata][way]}' } } }]
  await using running = await startPipelines(
    [
      pipeline('main', { in: {} }, [choose], marks),
      pipeline('web', at('web'), [{ web: {} }], copies),
      pipeline('db', at('db'), [{ db: {} }], copies),
    ],
    ends,
  )
  const { settled } = await ends[0].feed([{ type: 'web' }, { type: 'sql' }, { type: 'web' }])
  expect(await settled).toBe('stored')
  expect(ends[1].stored).toMatchObject([
    { type: 'web', way: 'marked' },
    { type: 'web', way: 'marked' },
  ])
  expect(ends[2].stored).toMatchObject([{ type: 'sql', way: 'marked' }])
  everythingBalances(running)
  expect(running.pipelines[0]?.ledger.totals().states).toMatchObject({ consumed: 3, stored: 0 })
})

test('output isolator: an output that stands still holds back its own copies only', async () => {
  const ends = [new TestEnds('in'), new TestEnds('slow'), new TestEnds('quick')] as const
  const gate = Promise.withResolvers<void>()
  ends[1].write = async (events) => {
    await gate.promise
    return all('stored', events.length)
  }
  await using running = await startPipelines(
    [
      pipeline('main', { in: {} }, [to('slow', 'quick')]),
      pipeline('slow', at('slow'), [{ slow: {} }]),
      pipeline('quick', at('quick'), [{ quick: {} }]),
    ],
    ends,
  )
  const first = await ends[0].feed([{ n: 1 }])
  await waitFor('the first event at the quick output', () => ends[2].stored.length === 1, QUICK)
  const second = await ends[0].feed([{ n: 2 }])
  await waitFor('the second one', () => ends[2].stored.length === 2, QUICK)
  // Acknowledged is what both have stored.
  expect(await Promise.race([first.settled, second.settled, Promise.resolve('open')])).toBe('open')
  gate.resolve()
  expect(await first.settled).toBe('stored')
  expect(await second.settled).toBe('stored')
  everythingBalances(running)
})

test('forked path: what one pipeline changes the other does not see', async () => {
  const ends = [new TestEnds('in'), new TestEnds('all'), new TestEnds('masked')] as const
  const mask = [{ mutate: { replace: { '[user][name]': 'x' } } }]
  await using running = await startPipelines(
    [
      pipeline('main', { in: {} }, [to('all'), to('masked')]),
      pipeline('all', at('all'), [{ all: {} }]),
      pipeline('masked', at('masked'), [{ masked: {} }], mask),
    ],
    ends,
  )
  const { settled } = await ends[0].feed([{ user: { name: 'Ada' } }])
  expect(await settled).toBe('stored')
  expect(ends[1].stored).toMatchObject([{ user: { name: 'Ada' } }])
  expect(ends[2].stored).toMatchObject([{ user: { name: 'x' } }])
  everythingBalances(running)
})

test('collector: several pipelines come together in one, whose input adds its own marks', async () => {
  const ends = [new TestEnds('a'), new TestEnds('b'), new TestEnds('out')] as const
  const collecting = { pipeline: { address: 'all', add_field: { via: 'all' }, tags: ['collected'] } }
  await using running = await startPipelines(
    [
      pipeline('one', { a: {} }, [to('all')]),
      pipeline('two', { b: {} }, [to('all')]),
      pipeline('all', collecting, [{ out: {} }]),
    ],
    ends,
  )
  const handed = await Promise.all([ends[0].feed([{ from: 'a' }]), ends[1].feed([{ from: 'b' }])])
  expect(await Promise.all(handed.map(({ settled }) => settled))).toEqual(['stored', 'stored'])
  const marks = { via: 'all', tags: ['collected'] }
  expect(ends[2].stored.toSorted((x, y) => String(x['from']).localeCompare(String(y['from'])))).toMatchObject([
    { from: 'a', ...marks },
    { from: 'b', ...marks },
  ])
  everythingBalances(running)
})

test('nothing waits in a circle for room: a budget that is full of events whose copies still need some', async () => {
  const ends = [new TestEnds('in'), new TestEnds('out')] as const
  await using running = await startPipelines(
    [
      { ...pipeline('main', { in: {} }, [to('b')]), pipeline: { id: 'main', max_in_flight_bytes: '1mb' } },
      pipeline('b', at('b'), [to('c')]),
      pipeline('c', at('c'), [{ out: {} }]),
    ],
    ends,
  )
  const feeds = Array.from({ length: 50 }, (_, n) => ends[0].feed([{ n }, { n }, { n }], 100_000))
  const settled = await Promise.all(feeds.map(async (feed) => await (await feed).settled))
  expect(settled).toEqual(feeds.map(() => 'stored'))
  expect(ends[1].stored).toHaveLength(150)
  everythingBalances(running)
})

test('an address that nobody listens at holds the events and says so', async () => {
  const ends = [new TestEnds('in'), new TestEnds('out')] as const
  await using running = await startPipelines([pipeline('main', { in: {} }, [to('later'), { out: {} }])], ends)
  const { settled } = await ends[0].feed([{ n: 1 }])
  await waitFor('the warning', () => running.context.lines.some((line) => line.includes('output_retry')), QUICK)
  expect(running.context.lines.join('\n')).toContain(
    "Attempted to send event to 'later' but that address was unavailable. Maybe the destination pipeline is down or stopping? Will Retry.",
  )
  expect(ends[1].stored).toHaveLength(1)
  running.stop()
  // There are two outputs: what this one holds waits on the disk for the next start.
  expect(await settled).toBe('stored')
  expect(await running.ended[0]).toBe(0)
})

test('what one address has taken it does not get again while another is away', async () => {
  const ends = [new TestEnds('in'), new TestEnds('out'), new TestEnds('late')] as const
  await using running = await startPipelines(
    [pipeline('main', { in: {} }, [to('here', 'later')]), pipeline('here', at('here'), [{ out: {} }])],
    ends,
  )
  const { settled } = await ends[0].feed([{ n: 1 }])
  await waitFor('the warning', () => running.context.lines.some((line) => line.includes('output_retry')), QUICK)
  let taken = 0
  const over = new AbortController()
  const receiver = running.bus.of('late').receiveAt('later')
  const receiving = receiver.receive(
    (events) => {
      taken += events.length
      return Promise.resolve('stored')
    },
    over.signal,
    over.signal,
  )
  expect(await settled).toBe('stored')
  expect(taken).toBe(1)
  expect(ends[1].stored).toHaveLength(1)
  over.abort()
  await receiving
})

test('without ensure_delivery an event for nobody is dropped and counted', async () => {
  const ends = [new TestEnds('in')] as const
  const output = { pipeline: { send_to: ['nobody'], ensure_delivery: false } }
  await using running = await startPipelines([pipeline('main', { in: {} }, [output])], ends)
  const { settled } = await ends[0].feed([{ n: 1 }, { n: 2 }])
  expect(await settled).toBe('stored')
  expect(running.pipelines[0]?.ledger.totals().states).toMatchObject({ dropped: 2 })
  expect(await running.context.metrics.text()).toMatch(/millrace_pipeline_undelivered_total\{.*\} 2/)
  everythingBalances(running)
})

test('a stop drains the first pipeline before the next', async () => {
  const ends = [new TestEnds('in'), new TestEnds('out')] as const
  const gate = Promise.withResolvers<void>()
  ends[1].write = async (events) => {
    await gate.promise
    return all('stored', events.length)
  }
  await using running = await startPipelines(
    [pipeline('last', at('last'), [{ out: {} }]), pipeline('first', { in: {} }, [to('last')])],
    ends,
  )
  const { settled } = await ends[0].feed([{ n: 1 }])
  running.stop()
  gate.resolve()
  expect(await settled).toBe('stored')
  expect(await Promise.all(running.ended)).toEqual([0, 0])
  expect(ends[1].stored).toHaveLength(1)
  everythingBalances(running)
})

test('pipelines end by themselves when the ones before them have', async () => {
  const ends = [new TestEnds('in'), new TestEnds('out')] as const
  await using running = await startPipelines(
    [pipeline('last', at('last'), [{ out: {} }]), pipeline('first', { in: {} }, [to('last')])],
    ends,
  )
  await ends[0].feed([{ n: 1 }])
  ends[0].end()
  expect(await Promise.all(running.ended)).toEqual([0, 0])
  expect(ends[1].stored).toHaveLength(1)
})

test('an event that goes round in a circle ends among the dead letters, and a stop does not wait for the circle', async () => {
  const ends = [new TestEnds('in')] as const
  await using running = await startPipelines(
    [{ ...pipeline('a', { in: {} }, [to('b')]), inputs: [{ in: {} }, at('a')] }, pipeline('b', at('b'), [to('a')])],
    ends,
  )
  const { settled } = await ends[0].feed([{ n: 1 }])
  expect(await settled).toBe('stored')
  expect(await running.deadLetters()).toMatchObject([{ document: { n: 1 }, reason: expect.stringContaining('32 pipelines') }])
  running.stop()
  expect(await Promise.all(running.ended)).toEqual([0, 0])
})

test('two inputs with one address are refused', async () => {
  const both = [pipeline('a', at('x'), [{ null: {} }]), pipeline('b', at('x'), [{ null: {} }])]
  await expect(startPipelines(both, [])).rejects.toThrow('"x" is in use by an input of the pipeline a')
})

test('at the deadline of a stop what is still on its way is abandoned in both pipelines', async () => {
  const ends = [new TestEnds('in'), new TestEnds('out')] as const
  ends[1].write = () => new Promise<never>(() => {})
  await using running = await startPipelines(
    [pipeline('main', { in: {} }, [to('last')]), pipeline('last', at('last'), [{ out: {} }])],
    ends,
    { drain_timeout_ms: 50 },
  )
  const { settled } = await ends[0].feed([{ n: 1 }])
  await waitFor('the event at the output', () => ends[1].batches.length === 1, QUICK)
  running.stop()
  expect(await settled).toBe('abandoned')
  expect(await Promise.all(running.ended)).toEqual([1, 1])
})

test('what was there already in the next pipeline counts so in the first one too', async () => {
  const ends = [new TestEnds('in'), new TestEnds('out')] as const
  ends[1].write = (events) => all('already_there', events.length)
  await using running = await startPipelines(
    [pipeline('main', { in: {} }, [to('last')]), pipeline('last', at('last'), [{ out: {} }])],
    ends,
  )
  const { settled } = await ends[0].feed([{ n: 1 }])
  expect(await settled).toBe('stored')
  expect(running.pipelines.map(({ ledger }) => ledger.totals().states.already_there)).toEqual([1, 1])
})

test('an event that is split in the next pipeline is acknowledged when all its parts have their end', async () => {
  const ends = [new TestEnds('in'), new TestEnds('out')] as const
  const gate = Promise.withResolvers<void>()
  ends[1].write = async (events, attempt) => {
    if (attempt > 1) await gate.promise
    return all('stored', events.length)
  }
  ends[1].batching = { ...ends[1].batching, events_max: 1 }
  await using running = await startPipelines(
    [pipeline('main', { in: {} }, [to('last')]), pipeline('last', at('last'), [{ out: {} }], [{ clone: { clones: ['copy'] } }])],
    ends,
  )
  const { settled } = await ends[0].feed([{ n: 1 }])
  await waitFor('the first part', () => ends[1].stored.length === 1, QUICK)
  expect(await Promise.race([settled, Promise.resolve('open')])).toBe('open')
  gate.resolve()
  expect(await settled).toBe('stored')
  expect(ends[1].stored).toHaveLength(2)
  everythingBalances(running)
})
