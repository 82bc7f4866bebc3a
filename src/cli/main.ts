import { ConfigError, MillraceError } from '../core/errors.ts'
import { withoutSecrets } from '../core/secret.ts'
import { parseArguments, usage } from './arguments.ts'
import { type Tool, UsageError } from './tool.ts'
import { version } from './version.ts'

/** The commands beside `run`, loaded when asked for. */
const TOOLS: { readonly [name: string]: () => Promise<Tool> } = {
  bench: async () => (await import('./bench/bench.ts')).bench,
  check: async () => (await import('./check.ts')).check,
  convert: async () => (await import('./convert/convert.ts')).convert,
  dlq: async () => (await import('./dlq/dlq.ts')).dlq,
  explain: async () => (await import('./explain/explain.ts')).explain,
  keystore: async () => (await import('./keystore.ts')).keystore,
  ledger: async () => (await import('./ledger/ledger.ts')).ledger,
  lint: async () => (await import('./lint/lint.ts')).lint,
  sample: async () => (await import('./sample.ts')).sample,
  test: async () => (await import('./test-cases/test-cases.ts')).test,
}

/** Once everything has ended or was given up: what is written last is out by then. */
const LEAVE_MS = 1_000

/** Exit codes are Logstash's: 0 for a normal end, 1 for everything else. */
process.exitCode = await main(process.argv.slice(2))

async function main(words: readonly string[]): Promise<number> {
  try {
    const [name = '', ...rest] = words
    const load = Object.hasOwn(TOOLS, name) ? TOOLS[name] : undefined
    if (load !== undefined) return await runTool(await load(), rest)
    const command = parseArguments(words)
    switch (command.kind) {
      case 'help':
        process.stdout.write(usage)
        return 0
      case 'version':
        process.stdout.write(`millrace ${version}\n`)
        return 0
      case 'run': {
        const { run } = await import('./run.ts')
        const code = await run(command)
        // A client whose server is silent waits for its answer as long as ever, and would keep the process.
        setTimeout(() => process.exit(code), LEAVE_MS).unref()
        return code
      }
    }
  } catch (thrown) {
    if (thrown instanceof ConfigError) {
      process.stderr.write(`The given configuration is invalid:\n${thrown.message}\n`)
      return 1
    }
    if (thrown instanceof MillraceError) {
      process.stderr.write(`millrace: ${withoutSecrets(thrown.message)} [${thrown.code}]\n`)
      return 1
    }
    if (!(thrown instanceof UsageError)) throw thrown
    process.stderr.write(`millrace: ${withoutSecrets(thrown.message)}\nmillrace --help lists what there is\n`)
    return 1
  }
}

async function runTool(tool: Tool, words: readonly string[]): Promise<number> {
  if (words.includes('--help') || words.includes('-h')) {
    process.stdout.write(tool.usage)
    return 0
  }
  return await tool.run(words)
}
