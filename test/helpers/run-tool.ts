import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

export interface ToolRun {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

const BIN = join(import.meta.dirname, '../../bin/millrace')

/** Runs `bin/millrace` with these words until it ends by itself. */
export async function runTool(
  words: readonly string[],
  stdin = '',
  env: Readonly<Record<string, string>> = {},
): Promise<ToolRun> {
  const child = spawn(BIN, words, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  // A program that ends before it has read everything breaks the pipe; its exit code tells enough.
  child.stdin.on('error', () => {})
  child.stdin.end(stdin)
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout, stderr }
}
