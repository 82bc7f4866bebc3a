import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Unavailable } from './servers.ts'

/** Debian's names of the programs, and the package that each is in. */
const PACKAGES = {
  promtool: 'prometheus',
  prometheus: 'prometheus',
  amtool: 'prometheus-alertmanager',
  'prometheus-alertmanager': 'prometheus-alertmanager',
} as const
type ProgramName = keyof typeof PACKAGES

const run = promisify(execFile)

/** Runs one of them to its end. Rejects with what it printed where that is not good. */
export type RunTool = (args: readonly string[]) => Promise<string>

/** promtool or amtool, or why it cannot run here. */
export async function prometheusTool(name: 'promtool' | 'amtool'): Promise<{ readonly run: RunTool } | Unavailable> {
  const missing = await reasonAgainst(name)
  if (missing !== undefined) return missing
  return {
    run: async (args) => {
      const { stdout } = await run(name, args).catch((error: Error & { stdout?: string; stderr?: string }) => {
        throw new Error(`${name} ${args.join(' ')}: ${error.stdout}${error.stderr}`)
      })
      return stdout.trim()
    },
  }
}

/** Why a program cannot run here. In CI that is a failure. */
export async function reasonAgainst(name: ProgramName): Promise<Unavailable | undefined> {
  try {
    await run(name, ['--version'])
    return undefined
  } catch (error) {
    const unavailable = `${name} is not installed (Debian's package ${PACKAGES[name]}): ${String(error)}`
    if (process.env['MILLRACE_REQUIRE_SERVERS'] === '1') throw new Error(unavailable, { cause: error })
    return { unavailable }
  }
}
