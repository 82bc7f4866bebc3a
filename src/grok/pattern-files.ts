import { globSync, readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Files } from '../core/context.ts'
import { MillraceError, messageOf } from '../core/errors.ts'

/**
 * The patterns of a user's folders and files, a line each: `NAME pattern`. Files are read in the order of their names, and later
 * definitions win. Relative paths start at `folder`.
 * @param glob which files of a folder are read
 * @param onNothing hears of a path that no file was found at
 * @param files_read is told what is read
 * @throws MillraceError OPTION_INVALID for a file that cannot be read
 */
export function readPatternFiles(
  paths: readonly string[],
  glob: string,
  folder: string,
  onNothing: (path: string) => void,
  files_read: Files,
): Map<string, string> {
  const patterns = new Map<string, string>()
  for (const path of paths) {
    const wanted = patternAt(resolve(folder, path), glob)
    files_read.reads(wanted)
    const files = filesAt(wanted)
    if (files.length === 0) onNothing(path)
    for (const file of files) for (const [name, pattern] of readPatternFile(file)) patterns.set(name, pattern)
  }
  return patterns
}

function patternAt(path: string, glob: string): string {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true ? join(path, glob) : path
}

function filesAt(pattern: string): string[] {
  return globSync(pattern)
    .filter((file) => statSync(file).isFile())
    .toSorted()
}

function readPatternFile(file: string): [name: string, pattern: string][] {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (thrown) {
    throw new MillraceError('OPTION_INVALID', `patterns_dir: cannot read ${file}: ${messageOf(thrown)}`)
  }
  return text.split('\n').flatMap((line): [string, string][] => {
    const [, name = '', pattern = ''] = /^\s*([^\s#]\S*)\s+(.*?)\r?$/.exec(line) ?? []
    return name === '' ? [] : [[name, pattern]]
  })
}
