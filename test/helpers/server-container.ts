import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import {
  type ContainerRuntimeClient,
  GenericContainer,
  getContainerRuntimeClient,
  ImageName,
  type StartedTestContainer,
} from 'testcontainers'
import { type ServerBackend, START_TIMEOUT_MS } from './server-process.ts'
import { waitFor } from './wait-for.ts'

type ContainerHandle = ReturnType<ContainerRuntimeClient['container']['getById']>

const STOP_TIMEOUT_S = 30
const LOG_LINES_SHOWN = 40

export interface ServerContainerOptions {
  readonly image: string
  readonly environment: Readonly<Record<string, string>>
  /** Files inside the container before its first start: path -> text. */
  readonly files?: Readonly<Record<string, string>>
  readonly isReady: () => Promise<boolean>
}

/** Whether a look for a container engine is worth the second that loading the client takes. */
function mayHaveEngine(): boolean {
  const places = [
    '/var/run/docker.sock',
    join(homedir(), '.docker/run/docker.sock'),
    join(homedir(), '.testcontainers.properties'),
  ]
  return process.env['DOCKER_HOST'] !== undefined || places.some((place) => existsSync(place))
}

/** Why the image cannot be run here; undefined when it can. It is pulled when the engine has not got it yet. */
export async function reasonAgainstContainer(image: string): Promise<string | undefined> {
  if (!mayHaveEngine()) return 'no Docker daemon answers'
  let client: ContainerRuntimeClient
  try {
    client = await getContainerRuntimeClient()
  } catch (error) {
    return `no Docker daemon answers (${String(error)})`
  }
  const name = ImageName.fromString(image)
  try {
    if (!(await client.image.exists(name))) await client.image.pull(name)
    return undefined
  } catch (error) {
    return `the image ${image} is not there and cannot be pulled (${String(error)})`
  }
}

/** A server in a container on the host's network, so that its address is the same inside and outside and after a restart. */
export class ServerContainer implements ServerBackend {
  readonly #options: ServerContainerOptions
  #container: StartedTestContainer | undefined

  constructor(options: ServerContainerOptions) {
    this.#options = options
  }

  async start(): Promise<void> {
    const { image, isReady } = this.#options
    if (this.#container === undefined) this.#container = await this.#create()
    else await (await this.#handle())?.start()
    const ended = new AbortController()
    const exit: Promise<unknown> = (await this.#handle())?.wait() ?? Promise.resolve()
    // Settles when the container ends, with or without an error: both mean that it will not become ready.
    exit.catch(() => {}).finally(() => ended.abort(new Error(`${image} ended by itself`)))
    try {
      await waitFor(`the start of ${image}`, isReady, { timeout_ms: START_TIMEOUT_MS, signal: ended.signal })
    } catch (cause) {
      throw new Error(`${image} did not start. The end of its log:\n${await this.#lastLogLines()}`, { cause })
    }
  }

  #create(): Promise<StartedTestContainer> {
    const { image, environment, files } = this.#options
    const content = Object.entries(files ?? {}).map(([target, text]) => ({ target, content: text, mode: 0o644 }))
    return new GenericContainer(image)
      .withNetworkMode('host')
      .withEnvironment({ ...environment })
      .withCopyContentToContainer(content)
      .withStartupTimeout(START_TIMEOUT_MS)
      .start()
  }

  async stop(): Promise<void> {
    await (await this.#handle())?.stop({ t: STOP_TIMEOUT_S })
  }

  async kill(): Promise<void> {
    const handle = await this.#handle()
    await handle?.kill()
    // The engine answers before the container has ended; a start before that would do nothing.
    await handle?.wait()
  }

  async remove(): Promise<void> {
    await this.#container?.stop()
    this.#container = undefined
  }

  /** The engine's own handle, for what testcontainers does not offer: a stop without removal, a kill. */
  async #handle(): Promise<ContainerHandle | undefined> {
    if (this.#container === undefined) return undefined
    const client = await getContainerRuntimeClient()
    return client.container.getById(this.#container.getId())
  }

  async #lastLogLines(): Promise<string> {
    const log = await (await this.#handle())?.logs({ stdout: true, stderr: true, tail: LOG_LINES_SHOWN })
    return log?.toString('utf8') ?? '(none)'
  }
}
