import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** A file of the live page as it is sent. */
export interface Asset {
  readonly type: string
  readonly body: Buffer
}

const HTML = 'text/html; charset=utf-8'
const CSS = 'text/css; charset=utf-8'
const SCRIPT = 'text/javascript; charset=utf-8'

/** The live page's files by their path, read once: no request ever touches the disk or names a file. */
export async function readAssets(): Promise<ReadonlyMap<string, Asset>> {
  const page = join(import.meta.dirname, 'page')
  // The chart library comes from the installed package: operators' networks are closed, so there is no CDN.
  const uplot = dirname(createRequire(import.meta.url).resolve('uplot/dist/uPlot.min.css'))
  const files: readonly (readonly [path: string, file: string, type: string])[] = [
    ['/', join(page, 'index.html'), HTML],
    ['/assets/theme.css', join(page, 'theme.css'), CSS],
    ['/assets/page.css', join(page, 'page.css'), CSS],
    ['/assets/page.js', join(page, 'page.js'), SCRIPT],
    ['/assets/uplot.css', join(uplot, 'uPlot.min.css'), CSS],
    ['/assets/uplot.js', join(uplot, 'uPlot.iife.min.js'), SCRIPT],
  ]
  return new Map(
    await Promise.all(files.map(async ([path, file, type]) => [path, { type, body: await readFile(file) }] as const)),
  )
}
