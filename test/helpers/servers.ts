import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { type ElasticsearchSecurity, elasticsearchUserFiles } from './elasticsearch-users.ts'
import { freePort } from './free-port.ts'
import { findJava, type Java } from './java.ts'
import { type KafkaListener, listenerSettings } from './kafka-listeners.ts'
import { reasonAgainstContainer, ServerContainer } from './server-container.ts'
import { prepareServer, SERVERS_FOLDER, type ServerBackend, ServerProcess, serversCache } from './server-process.ts'

/** Room for a first start: the jars or the image may have to be fetched. For the timeouts of tests that start servers. */
export const FIRST_START_TIMEOUT_MS = 600_000

export interface Server extends AsyncDisposable {
  /** Asks it to stop and waits for that. Data and ports stay: `start` goes on where it was. */
  stop(): Promise<void>
  /** As `kill -9`. */
  kill(): Promise<void>
  /** Starts it again, at the same address and with the same data. */
  start(): Promise<void>
  /** `stop`, then `start`. */
  restart(): Promise<void>
}

export interface KafkaServer extends Server {
  /** `host:port` each. */
  readonly brokers: readonly string[]
}

export interface KafkaOptions {
  readonly listeners?: readonly KafkaListener[]
  /** One that may log in by SCRAM-SHA-512; a broker in a container cannot have it. */
  readonly user?: { readonly username: string; readonly password: string }
}

export interface ElasticsearchServer extends Server {
  readonly url: string
}

/** Why a server cannot run on this machine. */
export interface Unavailable {
  readonly unavailable: string
}

export interface ElasticsearchOptions {
  readonly major: 8 | 9
  /** Elasticsearch's own settings: `{ 'thread_pool.write.size': '1' }`. */
  readonly settings?: Readonly<Record<string, string>>
  /** Users and roles in files; only with 8, for the jars of 9 that can be had lack security. */
  readonly security?: ElasticsearchSecurity
}

/** The server, or the end of this test, which then shows as skipped with its reason. */
export function orSkip<T extends object>(test: { readonly skip: (note?: string) => never }, started: T | Unavailable): T {
  if ('unavailable' in started) return test.skip(started.unavailable)
  return started
}

const KAFKA_IMAGE = process.env['MILLRACE_KAFKA_IMAGE'] ?? 'apache/kafka:4.4.0'
const ELASTICSEARCH_IMAGES = {
  8: process.env['MILLRACE_ELASTICSEARCH_8_IMAGE'] ?? 'elasticsearch:8.19.21',
  9: process.env['MILLRACE_ELASTICSEARCH_9_IMAGE'] ?? 'elasticsearch:9.5.3',
} as const

/** Kafka's broker is made for Java 17 and newer, as Elasticsearch 8 is; the class files of Elasticsearch 9 are for 21. */
const LOWEST_JAVA = { kafka: 17, 8: 17, 9: 21 } as const

/** One broker with PLAINTEXT on 127.0.0.1, and what doors it shall have beside that; topics are made on first use. */
export async function startKafka(options: KafkaOptions = {}): Promise<KafkaServer | Unavailable> {
  const [port, controllerPort] = [await freePort(), await freePort()]
  const isReady = (): Promise<boolean> => accepts(port)
  const settings = listenerSettings(port, controllerPort, options.listeners ?? [])
  const { user } = options
  const backend = await chooseBackend({
    image: KAFKA_IMAGE,
    // Users with SCRAM are made when the storage is formatted, which the image does by itself.
    ...(user === undefined
      ? {
          container: () => {
            const environment = { ...KAFKA_ENVIRONMENT, ...kafkaEnvironment(controllerPort, settings) }
            return Promise.resolve(new ServerContainer({ image: KAFKA_IMAGE, environment, isReady }))
          },
        }
      : {}),
    lowestJava: LOWEST_JAVA.kafka,
    process: async (java) => {
      const home = await prepareServer('kafka', java.home)
      const assignments = Object.entries(settings).map(([key, value]) => `${key}=${value}`)
      const run = [join(SERVERS_FOLDER, 'run-kafka.sh'), home]
      return ServerProcess.create({
        name: 'kafka',
        command: (data) => [...run, data, String(port), String(controllerPort), ...assignments],
        env: {
          JAVA_HOME: java.home,
          ...(user === undefined ? {} : { KAFKA_SCRAM_USER: `name=${user.username},password=${user.password}` }),
        },
        isReady,
      })
    },
  })
  return 'unavailable' in backend ? backend : { ...(await startServer(backend)), brokers: [`127.0.0.1:${port}`] }
}

/** One node on 127.0.0.1 with 512 MB of heap. test/servers/README.md says what it lacks beside a full distribution. */
export async function startElasticsearch(options: ElasticsearchOptions): Promise<ElasticsearchServer | Unavailable> {
  const { major, security } = options
  if (major === 9 && security !== undefined) throw new Error('security is there with major 8 only')
  const [port, transportPort] = [await freePort(), await freePort()]
  const url = `http://127.0.0.1:${port}`
  const isReady = (): Promise<boolean> => answersHealth(url)
  const settings: Record<string, string> = {
    ...options.settings,
    ...(security === undefined ? {} : { 'xpack.security.enabled': 'true' }),
  }
  const files = security === undefined ? {} : elasticsearchUserFiles(security)
  const image = ELASTICSEARCH_IMAGES[major]
  const backend = await chooseBackend({
    image,
    container: () =>
      Promise.resolve(new ServerContainer(elasticsearchContainer({ image, port, transportPort, settings, files, isReady }))),
    lowestJava: LOWEST_JAVA[major],
    process: async (java) => {
      const name = `elasticsearch-${major}`
      const home = await prepareServer(name, java.home)
      const run = join(SERVERS_FOLDER, `run-${name}.sh`)
      const assignments = Object.entries(settings).map(([key, value]) => `${key}=${value}`)
      return ServerProcess.create({
        name,
        command: (data) => [run, home, data, String(port), String(transportPort), ...assignments],
        env: { JAVA_HOME: java.home },
        isReady,
        files,
      })
    },
  })
  return 'unavailable' in backend ? backend : { ...(await startServer(backend)), url }
}

interface BackendChoice {
  readonly image: string
  /** Without it, it has to be a process. */
  readonly container?: () => Promise<ServerBackend>
  readonly lowestJava: number
  readonly process: (java: Java) => Promise<ServerBackend>
}

/** `MILLRACE_SERVERS=containers` or `=processes` allows only that one way; unset, containers are tried first. */
async function chooseBackend(choice: BackendChoice): Promise<ServerBackend | Unavailable> {
  const wanted = process.env['MILLRACE_SERVERS'] ?? ''
  const reasons: string[] = []
  if (wanted !== 'processes') {
    const reason = await reasonAgainstContainer(choice.image)
    if (reason === undefined && choice.container !== undefined) return choice.container()
    reasons.push(reason ?? 'a container cannot be set up so')
  }
  if (wanted !== 'containers') {
    const java = await findJava(choice.lowestJava)
    if (java === undefined) {
      reasons.push(`there is no JDK of version ${choice.lowestJava} or newer`)
    } else {
      try {
        return await choice.process(java)
      } catch (error) {
        reasons.push(`its jars cannot be made ready in ${serversCache()}: ${String(error)}`)
      }
    }
  }
  return refuseIfRequired(`${choice.image} cannot run here: ${reasons.join('; ')}`, choice.lowestJava)
}

/** In CI a server that cannot run is a failure. A Java newer than 17 is the one thing that a plain machine may lack. */
function refuseIfRequired(unavailable: string, lowestJava: number): Unavailable {
  if (process.env['MILLRACE_REQUIRE_SERVERS'] === '1' && lowestJava <= LOWEST_JAVA.kafka) throw new Error(unavailable)
  return { unavailable }
}

async function startServer(backend: ServerBackend): Promise<Server> {
  try {
    await backend.start()
  } catch (error) {
    await backend.remove()
    throw error
  }
  return {
    stop: () => backend.stop(),
    kill: () => backend.kill(),
    start: () => backend.start(),
    restart: async () => {
      await backend.stop()
      await backend.start()
    },
    [Symbol.asyncDispose]: () => backend.remove(),
  }
}

/** A broker opens its port when it is ready to serve. */
async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } finally {
    socket.destroy()
  }
}

async function answersHealth(url: string): Promise<boolean> {
  const response = await fetch(`${url}/_cluster/health`, { signal: AbortSignal.timeout(2_000) })
  await response.text()
  // 401: security is on, so the node is up.
  return response.status === 200 || response.status === 401
}

const KAFKA_ENVIRONMENT = {
  KAFKA_NODE_ID: '1',
  KAFKA_PROCESS_ROLES: 'broker,controller',
  KAFKA_CONTROLLER_LISTENER_NAMES: 'CONTROLLER',
  KAFKA_INTER_BROKER_LISTENER_NAME: 'PLAINTEXT',
  KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: '1',
  KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS: '4',
  KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: '1',
  KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: '1',
  KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR: '1',
  KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR: '1',
  KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: '0',
}

/** The variables of the official image: KAFKA_A_B is its setting a.b. */
function kafkaEnvironment(controllerPort: number, settings: Readonly<Record<string, string>>): Record<string, string> {
  const named = Object.entries(settings).map(([key, value]) => {
    const name = key.toUpperCase().replaceAll('_', '__').replaceAll('-', '___').replaceAll('.', '_')
    return [`KAFKA_${name}`, value]
  })
  return { KAFKA_CONTROLLER_QUORUM_VOTERS: `1@127.0.0.1:${controllerPort}`, ...Object.fromEntries(named) }
}

interface ElasticsearchContainer {
  readonly image: string
  readonly port: number
  readonly transportPort: number
  readonly settings: Readonly<Record<string, string>>
  readonly files: Readonly<Record<string, string>>
  readonly isReady: () => Promise<boolean>
}

/** The official image takes settings as variables of the same name, and keeps its files under /usr/share/elasticsearch. */
function elasticsearchContainer(options: ElasticsearchContainer): ConstructorParameters<typeof ServerContainer>[0] {
  return {
    image: options.image,
    isReady: options.isReady,
    files: Object.fromEntries(Object.entries(options.files).map(([path, text]) => [`/usr/share/elasticsearch/${path}`, text])),
    environment: {
      ES_JAVA_OPTS: '-Xms512m -Xmx512m',
      'network.host': '127.0.0.1',
      'http.port': String(options.port),
      'transport.port': String(options.transportPort),
      'discovery.type': 'single-node',
      'cluster.routing.allocation.disk.threshold_enabled': 'false',
      'xpack.security.enabled': 'false',
      ...options.settings,
    },
  }
}
