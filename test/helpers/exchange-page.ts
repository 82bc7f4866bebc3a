import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runTool } from './run-tool.ts'

export const EXCHANGE_PAGE = join(import.meta.dirname, '../../docs/exchange.md')

/** docs/exchange.md, and the log that it tells its reader to write. */
export class ExchangePage {
  readonly text: string
  readonly lines: readonly string[]

  private constructor(text: string, lines: readonly string[]) {
    this.text = text
    this.lines = lines
  }

  static async read(): Promise<ExchangePage> {
    const text = await readFile(EXCHANGE_PAGE, 'utf8')
    const [, words = ''] = /`bin\/millrace (sample [^`]*) > app\.log`/.exec(text) ?? []
    const { stdout } = await runTool(words.split(' '))
    return new ExchangePage(text, stdout.trimEnd().split('\n'))
  }

  /** The blocks of a section that are in this language; in none, those of a terminal. */
  blocks(heading: string, language = ''): string[] {
    const section = this.text.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? ''
    const found = section.matchAll(/^```(\w*)\n(.*?)\n```$/gms)
    return [...found].flatMap(([, name, text = '']) => (name === language ? [text] : []))
  }

  /** The order that the page tells of: its line, and all lines of its trace. */
  get order(): { readonly line: string; readonly trace: readonly string[] } {
    const [line = ''] = this.blocks('A line', 'json')
    const { trace_id } = JSON.parse(line) as { trace_id: string }
    return { line, trace: this.lines.filter((other) => other.includes(`"trace_id":"${trace_id}"`)) }
  }
}
