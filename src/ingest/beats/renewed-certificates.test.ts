import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { expect, test } from 'vitest'
import { testContext } from '../../../test/helpers/context.ts'
import { encodeWindow, LumberjackClient, parseAddress } from '../../../test/helpers/lumberjack-client.ts'
import { startBeats } from '../../../test/helpers/start-beats.ts'
import { temporaryFolder } from '../../../test/helpers/temporary-folder.ts'
import { TEST_CLIENT, TEST_SERVER } from '../../../test/helpers/test-certificates.ts'
import { waitFor } from '../../../test/helpers/wait-for.ts'

test('renewed certificates are for new connections, and those that are open go on', async () => {
  await using folder = await temporaryFolder()
  const write = async (cert: string, key: string): Promise<void> => {
    await writeFile(join(folder.path, 'server.crt'), cert)
    await writeFile(join(folder.path, 'server.key'), key)
  }
  await write(TEST_SERVER.cert, TEST_SERVER.key)
  const context = testContext({ paths: { data: folder.path, config: folder.path } })
  const options = { ssl_enabled: true, ssl_certificate: 'server.crt', ssl_key: 'server.key' }
  await using input = await startBeats({ options, context })
  const connect = (): Promise<LumberjackClient> =>
    LumberjackClient.connect({ ...parseAddress(input.context.address() ?? ''), tls: { rejectUnauthorized: false } })
  const nameOf = ({ socket }: LumberjackClient): unknown => (socket as TLSSocket).getPeerCertificate().subject.CN
  await using first = await connect()
  const old_name = nameOf(first)

  await writeFile(join(folder.path, 'server.crt'), TEST_CLIENT.cert)
  await waitFor('the complaint', () => context.lines.some((line) => line.includes('the old ones are')))
  await using between = await connect()
  expect(nameOf(between)).toBe(old_name)

  await write(TEST_CLIENT.cert, TEST_CLIENT.key)
  await waitFor('the new ones', () => context.lines.some((line) => line.includes('renewed')))
  await using second = await connect()
  expect(nameOf(second)).not.toBe(old_name)
  for (const client of [first, second]) {
    await client.send(encodeWindow([{ message: 'm' }]))
    await client.until(() => client.acks.length === 1)
  }
})
