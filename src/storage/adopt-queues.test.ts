import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../../test/helpers/temporary-folder.ts'
import { adoptQueues } from './adopt-queues.ts'
import { DurableQueue } from './durable-queue.ts'

const options = { max_bytes: 1e6, report: () => {} }

async function put(folder: string, ...texts: readonly string[]): Promise<void> {
  await using queue = await DurableQueue.open(folder, { ...options, label: 'es' })
  await queue.append(texts.map((text) => Buffer.from(text)))
}

test('queues of a writer that is gone stand behind those that are there, and keep what they are for', async () => {
  await using folder = await temporaryFolder()
  const [from, to] = [join(folder.path, 'workers/1/spill'), join(folder.path, 'spill')]
  await put(join(from, 'main/both'), 'c', 'd')
  await put(join(to, 'main/both'), 'a', 'b')
  await put(join(from, 'main/new'), 'e')
  await adoptQueues(from, to, options.report)
  for (const [name, expected] of [
    ['both', 'abcd'],
    ['new', 'e'],
  ] as const) {
    await using queue = await DurableQueue.open(join(to, 'main', name), options)
    expect((await queue.read(10, 1e6)).map(({ payload }) => payload.toString()).join('')).toBe(expected)
    expect(queue.label).toBe('es')
  }
  expect(existsSync(from)).toBe(false)
  await adoptQueues(from, to, options.report)
})
