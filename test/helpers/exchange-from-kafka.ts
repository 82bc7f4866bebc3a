import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from './free-port.ts'
import { Program } from './program.ts'

const CONFIG = join(import.meta.dirname, '../../config')

interface ExchangeFromKafka {
  readonly brokers: readonly string[]
  /** Read as a group of the same name. */
  readonly topic: string
  readonly elasticsearch_url: string
  /** Where the config goes. */
  readonly folder: string
}

/** The program with config/exchange.json, but for the names of topic and group, which are the test's own. */
export async function startExchangeFromKafka({ brokers, topic, elasticsearch_url, folder }: ExchangeFromKafka): Promise<Program> {
  const config = await readFile(join(CONFIG, 'exchange.json'), 'utf8')
  const path = join(folder, 'exchange.json')
  const own = config
    .replace('"topics": ["exchange-logs"]', `"topics": ["${topic}"]`)
    .replace('"group_id": "millrace"', `"group_id": "${topic}"`)
  await writeFile(path, own)
  const env = {
    KAFKA_BROKERS: brokers.join(','),
    ELASTICSEARCH_URL: elasticsearch_url,
    BEATS_PORT: String(await freePort()),
    MILLRACE_GEOIP_DATABASE: join(CONFIG, 'geoip/millrace-sample.mmdb'),
  }
  return await Program.start({ args: ['-f', path], env })
}
