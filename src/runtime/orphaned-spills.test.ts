import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startPipeline, TestEnds } from '../../test/helpers/pipeline.ts'
import { temporaryFolder } from '../../test/helpers/temporary-folder.ts'
import { orphanedSpills } from './orphaned-spills.ts'

test('events on the disk are orphaned where their pipeline or output is gone, and not where nothing is known of them', async () => {
  await using folder = await temporaryFolder()
  const ends = new TestEnds()
  ends.open = () => new Promise(() => {})
  const outputs = [{ test: { id: 'out', when_blocked: 'spill', blocked_after_ms: 1 } }]
  {
    await using _running = await startPipeline({ inputs: [{ test: {} }], outputs }, ends, { folder: folder.path })
    expect(await (await ends.feed([{ n: 1 }])).settled).toBe('stored')
  }
  const found = async (...owners: [string, string[] | undefined][]): Promise<string[]> =>
    (await orphanedSpills(folder.path, new Map(owners))).map((orphan) => orphan.folder)
  const orphaned = [join(folder.path, 'spill/main/out')]
  expect(await found(['main', ['other', 'out']])).toEqual([])
  expect(await found(['main', undefined])).toEqual([])
  expect(await found(['main', ['other']])).toEqual(orphaned)
  expect(await found(['another', ['out']])).toEqual(orphaned)
  expect(await orphanedSpills(join(folder.path, 'nowhere'), new Map())).toEqual([])
})
