import { parseArguments, UsageError, usage } from './arguments.ts'
import { version } from './version.ts'

/** Exit codes are Logstash's: 0 for a normal end, 1 for everything else. */
process.exitCode = await main(process.argv.slice(2))

async function main(words: readonly string[]): Promise<number> {
  try {
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
        return await run(command)
      }
      case 'dlq_show': {
        const { showDeadLetters } = await import('./dlq.ts')
        return await showDeadLetters(command)
      }
    }
  } catch (thrown) {
    if (!(thrown instanceof UsageError)) throw thrown
    process.stderr.write(`millrace: ${thrown.message}\nmillrace --help lists what there is\n`)
    return 1
  }
}
