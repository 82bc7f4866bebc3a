import { isAbsolute, resolve, sep } from 'node:path'
import { defineOutput } from '../core/component.ts'
import { type Outcome, type Sink, STORED } from '../core/contracts.ts'
import { MillraceError, messageOf } from '../core/errors.ts'
import type { Event } from '../core/event.ts'
import { kept } from '../core/options/kept-options.ts'
import * as option from '../core/options/options.ts'
import type { Template } from '../core/template.ts'
import { FileAppender } from './file-appender.ts'

export const file = defineOutput({
  name: 'file',
  summary: 'Appends events to files, one JSON document a line unless another codec is named.',
  description:
    'The path may hold `%{field}`: each event goes to the file of its own values. An event whose values lead out of the ' +
    'folder before the first placeholder goes to the dead letters. A batch counts as stored once it is fsynced. A file that ' +
    'was moved or deleted meanwhile is made anew. A full disk is waited for.',
  default_codec: 'json_lines',
  options: {
    path: option.template(
      'The file. It must begin with a fixed folder; relative paths start at the folder that the program runs in.',
      {
        required: true,
      },
    ),
    write_behavior: option.oneOf(
      'Whether a file that exists is continued or emptied when it is first opened.',
      ['append', 'overwrite'],
      {
        default: 'append',
      },
    ),
    file_mode: option.integer('Permissions of new files, as a decimal number (0o640 is 416); -1 leaves them to the umask.', {
      default: -1,
    }),
    dir_mode: option.integer('Permissions of new folders, as a decimal number; -1 leaves them to the umask.', { default: -1 }),
    fsync: option.boolean('Whether a batch is on the disk before it counts as stored. Off, a power failure can lose events.', {
      default: true,
    }),
    flush_interval: kept('every batch is written out at once'),
    stale_cleanup_interval: kept('64 files stay open, the least recently used one closes'),
    create_if_deleted: kept('a deleted file is always made anew'),
  },
  refused: {
    message_format: 'it is gone from Logstash too: write codec => line { format => "…" }',
    gzip: 'a crash would leave an archive that cannot be read: compress the files when they are rotated',
    filename_failure: 'an event whose path leads out of its folder goes to the dead letters instead of a common file',
  },
  examples: [
    { title: 'One file for each daily index', options: { path: 'data/%{[@metadata][index]}.ndjson' } },
    { title: 'Plain lines', options: { path: '/var/log/millrace/errors.log', codec: 'line' } },
  ],
  create: (options, context) => {
    const pathOf = compilePath(options.path)
    if (options.write_behavior === 'overwrite' && options.path.constant === undefined) {
      throw new MillraceError(
        'OUTPUT_CANNOT_START',
        'write_behavior overwrite needs a path without %{…}, else every file would be emptied',
      )
    }
    const appender = new FileAppender({
      overwrites: options.write_behavior === 'overwrite',
      file_mode: options.file_mode < 0 ? undefined : options.file_mode,
      dir_mode: options.dir_mode < 0 ? undefined : options.dir_mode,
      fsync: options.fsync,
    })
    const sink: Sink = {
      // What was half written is cut off again, which would take the lines of a second writer with it.
      is_single: true,
      // One writer: the lines of a file stay in the order of the events.
      batching: { events_max: 8_192, bytes_max: 8 * 1024 * 1024, concurrency: 1 },
      open: () => Promise.resolve(),
      write: async (events, signal) => {
        const outcomes: Outcome[] = []
        for (const [path, positions] of groupByPath(events, pathOf)) {
          signal.throwIfAborted()
          const text = positions.map((position) => context.encoder.encode(events[position] as Event)).join('')
          const outcome = path === undefined ? OUTSIDE : await attempt(() => appender.append(path, text))
          if (outcome.kind === 'retry') context.log.error('file_write', `${context.where}: ${outcome.reason}; trying again`)
          for (const position of positions) outcomes[position] = outcome
        }
        return { outcomes }
      },
      close: () => appender[Symbol.asyncDispose](),
    }
    return sink
  },
})

const OUTSIDE: Outcome = { kind: 'reject', reason: 'path_outside_folder' }

type PathOf = (event: Event) => string | undefined

/**
 * The file of an event, or `undefined` where its values lead out of the fixed folder at the path's beginning.
 * @throws MillraceError OUTPUT_CANNOT_START for a path that does not begin with a fixed folder
 */
function compilePath(path: Template): PathOf {
  if (path.constant !== undefined) {
    const constant = resolve(path.constant)
    return () => constant
  }
  const fixed = path.text.slice(0, path.text.indexOf('%{'))
  const slash = Math.max(fixed.lastIndexOf('/'), fixed.lastIndexOf(sep))
  if (slash < 0 && !isAbsolute(fixed)) {
    throw new MillraceError(
      'OUTPUT_CANNOT_START',
      `The starting part of the path should not be dynamic: put a folder before ${path.text}`,
    )
  }
  const folder = resolve(fixed.slice(0, slash + 1))
  const inside = folder.endsWith(sep) ? folder : folder + sep
  return (event) => {
    const formatted = path.format(event)
    const resolved = resolve(formatted)
    return resolved.startsWith(inside) && !formatted.includes('\0') && !/[\\/]$/.test(formatted) ? resolved : undefined
  }
}

function groupByPath(events: readonly Event[], pathOf: PathOf): Map<string | undefined, number[]> {
  const groups = new Map<string | undefined, number[]>()
  for (const [position, event] of events.entries()) {
    const path = pathOf(event)
    const group = groups.get(path)
    if (group === undefined) groups.set(path, [position])
    else group.push(position)
  }
  return groups
}

/** No waiting makes these paths writable: the names in them are the fault. */
const UNWRITABLE_NAMES = new Set(['ENAMETOOLONG', 'EISDIR', 'ENOTDIR', 'EINVAL', 'ELOOP', 'EILSEQ'])

async function attempt(append: () => Promise<void>): Promise<Outcome> {
  try {
    await append()
    return STORED
  } catch (thrown) {
    const code = (thrown as NodeJS.ErrnoException).code ?? ''
    if (UNWRITABLE_NAMES.has(code)) return { kind: 'reject', reason: `path_unwritable_${code.toLowerCase()}` }
    return { kind: 'retry', reason: messageOf(thrown) }
  }
}
