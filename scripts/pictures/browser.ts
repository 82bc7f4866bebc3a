import { once } from 'node:events'
import { freePort } from '../../test/helpers/free-port.ts'
import { ServerProcess } from '../../test/helpers/server-process.ts'
import { waitFor } from '../../test/helpers/wait-for.ts'

/** The page as it stands in the documents: a line of text is to be read there without a magnifier. */
const WIDTH_PX = 1_200
const READY_TIMEOUT_MS = 60_000
const ANSWER_TIMEOUT_MS = 30_000

export interface Page {
  readonly url: string
  readonly height_px: number
  /** JavaScript, evaluated in the page until it is true: that there is something to be seen. It may also open what is folded. */
  readonly is_ready: string
}

/** A Chromium without a window, told what to do over the DevTools protocol on a port of 127.0.0.1. */
export class Browser implements AsyncDisposable {
  readonly #process: ServerProcess
  readonly #url: string

  private constructor(process: ServerProcess, url: string) {
    this.#process = process
    this.#url = url
  }

  static async start(): Promise<Browser> {
    const port = await freePort()
    const url = `http://127.0.0.1:${port}`
    const server = await ServerProcess.create({
      name: 'chromium',
      command: (data) => [
        'chromium',
        '--headless',
        '--disable-gpu',
        '--hide-scrollbars',
        '--no-first-run',
        `--user-data-dir=${data}/profile`,
        `--remote-debugging-port=${port}`,
        // It refuses to run as root with a sandbox. It opens pages of programs that the script has started, and no others.
        ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
        'about:blank',
      ],
      env: {},
      isReady: async () => (await fetch(`${url}/json/version`)).ok,
    })
    await server.start()
    return new Browser(server, url)
  }

  /** The page as a PNG, once it is ready. */
  async picture({ url, height_px, is_ready }: Page): Promise<Buffer> {
    const answer = await fetch(`${this.#url}/json/new?about:blank`, { method: 'PUT' })
    const { webSocketDebuggerUrl } = (await answer.json()) as { webSocketDebuggerUrl: string }
    const socket = new WebSocket(webSocketDebuggerUrl)
    try {
      await once(socket, 'open', { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) })
      await call(socket, 'Emulation.setDeviceMetricsOverride', {
        width: WIDTH_PX,
        height: height_px,
        deviceScaleFactor: 1,
        mobile: false,
      })
      await call(socket, 'Page.navigate', { url })
      const isReady = async (): Promise<boolean> => {
        const { result } = await call<{ result: { value?: unknown } }>(socket, 'Runtime.evaluate', { expression: is_ready })
        return result.value === true
      }
      await waitFor(`the page ${url}`, isReady, { timeout_ms: READY_TIMEOUT_MS })
      const { data } = await call<{ data: string }>(socket, 'Page.captureScreenshot', { format: 'png' })
      return Buffer.from(data, 'base64')
    } finally {
      socket.close()
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#process.remove()
  }
}

/** One command and its answer. No events are asked for, so the next message is that. */
async function call<T>(socket: WebSocket, method: string, params: object): Promise<T> {
  const answered = once(socket, 'message', { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) })
  socket.send(JSON.stringify({ id: 1, method, params }))
  const [{ data }] = (await answered) as [{ data: string }]
  const { result, error } = JSON.parse(data) as { result: T; error?: { message: string } }
  if (error !== undefined) throw new Error(`${method}: ${error.message}`)
  return result
}
