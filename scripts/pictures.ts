/**
 * Makes docs/pictures: an exchange whose API begins to fail, Millrace that reads its log, Prometheus with the rules as they are, and
 * a browser that looks at both. Takes five minutes, because the rules wait before they ring. The tree of calls in docs/exchange.md is
 * drawn first, of the spans that come out of the log which that page tells to write:
 *
 *   npm run pictures
 *
 * Needs Debian's packages chromium and prometheus.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { callTree } from '../test/helpers/call-tree.ts'
import { EXCHANGE_PAGE, ExchangePage } from '../test/helpers/exchange-page.ts'
import { freePort } from '../test/helpers/free-port.ts'
import { Program } from '../test/helpers/program.ts'
import { PrometheusServer, reasonAgainst } from '../test/helpers/prometheus.ts'
import { temporaryFolder } from '../test/helpers/temporary-folder.ts'
import { waitFor } from '../test/helpers/wait-for.ts'
import { Browser, type Page } from './pictures/browser.ts'

const ROOT = join(import.meta.dirname, '..')
const FOLDER = join(ROOT, 'docs/pictures')
const ALERT = 'APIHighErrorRate'
const ERRORS_PER_MINUTE = 'sum by (service) (rate(exchange_log_errors_total[1m])) * 60'
/** Of Prometheus' alerts, unfolds the one that fires. */
const OPEN_FIRING_ALERT = `(() => {
  const header = document.querySelector('.alert_header.alert-danger')
  if (header === null || document.readyState !== 'complete') return false
  header.click()
  document.querySelector('div.show-annotations').click()
  return true
})()`
/** How long all is well: enough for a curve to have a floor. */
const USUAL_S = 100
const ALERT_TIMEOUT_MS = 600_000
/** Lines of the sample, of which there are 200 a second: more than until then, and an end for one that is left alone. */
const MOST_LINES = 200_000
const STOP_TIMEOUT_MS = 10_000
/** Pictures stay in the repository for good. */
const LARGEST_BYTES = 150_000

for (const name of ['chromium', 'prometheus'] as const) {
  const missing = await reasonAgainst(name)
  if (missing !== undefined) {
    process.stderr.write(`${missing.unavailable}\napt-get install chromium prometheus\n`)
    process.exit(1)
  }
}

await drawCalls()
// The live page names places in the config as the command line names it: no folder of this machine in a picture.
process.chdir(ROOT)
await using folder = await temporaryFolder()
await using stack = new AsyncDisposableStack()
const log = join(folder.path, 'app.log')
stack.use(await startExchange(log))
const millrace = stack.use(
  await Program.start({
    args: ['-f', 'config/exchange.json'],
    env: { EXCHANGE_LOG: log, KAFKA_BROKERS: '', ELASTICSEARCH_URL: '', BEATS_PORT: String(await freePort()) },
  }),
)
const prometheus = stack.use(
  await PrometheusServer.start({
    targets: [new URL(millrace.apiUrl).host],
    scrape_interval_ms: 5_000,
    rules: await readFile(join(ROOT, 'deploy/prometheus/alerts.yml'), 'utf8'),
  }),
)
process.stdout.write(`${millrace.apiUrl} and ${prometheus.url}: waiting for ${ALERT}\n`)
await millrace.waitUntil(
  ALERT,
  async () => (await prometheus.alerts()).some(({ state, labels }) => state === 'firing' && labels['alertname'] === ALERT),
  ALERT_TIMEOUT_MS,
)

const graph = new URLSearchParams({ 'g0.expr': ERRORS_PER_MINUTE, 'g0.tab': '0', 'g0.range_input': '5m' })
const pages: Readonly<Record<string, Page>> = {
  'live-page': {
    url: `${millrace.apiUrl}/`,
    height_px: 943,
    is_ready: `document.querySelectorAll('#outputs tr').length > 0 && document.querySelectorAll('#events > *').length > 8`,
  },
  // Debian's Prometheus has only the classic pages, those of before React.
  'errors-per-minute': {
    url: `${prometheus.url}/classic/graph?${graph.toString()}`,
    height_px: 890,
    is_ready: `document.querySelectorAll('.rickshaw_graph svg path').length > 1`,
  },
  alert: {
    url: `${prometheus.url}/classic/alerts`,
    height_px: 749,
    is_ready: OPEN_FIRING_ALERT,
  },
}
const browser = stack.use(await Browser.start())
await mkdir(FOLDER, { recursive: true })
for (const [name, page] of Object.entries(pages)) {
  const png = await browser.picture(page)
  if (png.length > LARGEST_BYTES) throw new Error(`${name}.png has ${png.length} bytes, more than ${LARGEST_BYTES}`)
  await writeFile(join(FOLDER, `${name}.png`), png)
  process.stdout.write(`docs/pictures/${name}.png: ${png.length} bytes\n`)
}

async function drawCalls(): Promise<void> {
  const page = await ExchangePage.read()
  const [before] = page.blocks('Calls')
  if (before === undefined) throw new Error('docs/exchange.md has no place for the tree of calls')
  const tree = await callTree(page.order.trace)
  await writeFile(
    EXCHANGE_PAGE,
    page.text.replace(before, () => tree),
  )
  process.stdout.write(`docs/exchange.md: ${tree.split('\n').length} calls\n`)
}

/** `bin/millrace sample` into a file, with errors from a time on. */
async function startExchange(path: string): Promise<AsyncDisposable> {
  await using file = await open(path, 'w')
  const incident = ['--incident', 'error-burst', '--incident-after', String(USUAL_S)]
  const words = ['sample', '--rate', '200', '--count', String(MOST_LINES), ...incident]
  const child = spawn(join(ROOT, 'bin/millrace'), words, { stdio: ['ignore', file.fd, 'inherit'] })
  await once(child, 'spawn')
  return {
    [Symbol.asyncDispose]: async () => {
      child.kill()
      await waitFor('the end of the sample', () => child.exitCode !== null || child.signalCode !== null, {
        timeout_ms: STOP_TIMEOUT_MS,
      })
    },
  }
}
