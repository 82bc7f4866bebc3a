import { createHash } from 'node:crypto'
import { join, resolve } from 'node:path'
import { defineInput } from '../../core/component.ts'
import { MillraceError } from '../../core/errors.ts'
import { kept } from '../../core/options/kept-options.ts'
import * as option from '../../core/options/options.ts'
import { duration } from '../../core/time/duration.ts'
import { createFileSource } from './file-source.ts'

export const file = defineInput({
  name: 'file',
  summary: 'Follows log files as they grow and are rotated, or reads files once.',
  description:
    'Files are known by device, inode and their first bytes, so a renamed file is read to its end, its successor from its ' +
    'beginning, and an emptied one (copytruncate) anew. How far a file was read is stored only when its events are, so a crash ' +
    'repeats some lines and loses none; a repeated line has the same id. The host name goes to `host` and the path to `path`, ' +
    'with ECS to `[host][name]` and `[log][file][path]`. A line over `max_event_bytes` goes to the dead letters.',
  default_codec: 'plain',
  options: {
    path: option.list(
      'Files to read, with patterns (`*`, `**`, `?`, `[ab]`, `{a,b}`). Relative ones start where the program runs.',
      {
        required: true,
      },
    ),
    exclude: option.list('Names not to read, without folders, with patterns: `*.gz`.'),
    mode: option.oneOf('Whether files are followed as they grow, or read once to their end.', ['tail', 'read'], {
      default: 'tail',
    }),
    start_position: option.oneOf(
      'Where a file that is there at the first start is read from; later files always from their beginning.',
      ['beginning', 'end'],
      { default: 'end' },
    ),
    format: option.oneOf(
      'What a file holds: lines, or one JSON list whose elements are the events, of any size (mode read only; ours).',
      ['lines', 'json_array'],
      { default: 'lines' },
    ),
    delimiter: option.string('What ends a line.', { default: '\n' }),
    sincedb_path: option.path(
      'The file that keeps how far files were read; /dev/null keeps nothing. Default: under the data folder.',
    ),
    sincedb_write_interval: duration('How often the positions are written down. (Logstash: 15 seconds.)', '1 second'),
    sincedb_clean_after: duration(
      'When the position of a file that is gone is forgotten; a plain number counts days.',
      '14 days',
      'days',
    ),
    stat_interval: duration('How often quiet files are looked at.', '1 second'),
    discover_interval: option.integer('How often new files are looked for, in stat_intervals.', { default: 15, min: 1 }),
    close_older: duration('A file without new lines for so long is closed until it has some.', '1 hour'),
    ignore_older: duration('Files that were not written to for so long are passed over until they are.'),
    max_open_files: option.integer('How many quiet files are kept open.', { default: 4095, min: 1 }),
    file_sort_by: option.oneOf('The order in which files are read.', ['last_modified', 'path'], { default: 'last_modified' }),
    file_sort_direction: option.oneOf('Which one comes first.', ['asc', 'desc'], { default: 'asc' }),
    file_completed_action: option.oneOf(
      'Mode read: what is done with a file once all of it is stored.',
      ['delete', 'log', 'log_and_delete'],
      { default: 'delete' },
    ),
    file_completed_log_path: option.path('Mode read: the file that gets a line for each completed file.'),
    exit_after_read: option.boolean('Mode read: the input ends when all files are read, so that the program can too.', {
      default: false,
    }),
    file_chunk_size: kept('files are read in pieces of 256 kB'),
    file_chunk_count: kept('after 1 MB the next file has its turn'),
    check_archive_validity: kept('archives are not read'),
  },
  examples: [
    { title: 'Follow all logs of a service', options: { path: '/var/log/exchange/*.log', exclude: '*.gz', codec: 'json' } },
    {
      title: 'Read dumps of one big JSON list each, then end',
      options: {
        path: '/data/dumps/*.json',
        mode: 'read',
        format: 'json_array',
        exit_after_read: true,
        file_completed_action: 'log',
        file_completed_log_path: '/data/dumps/done.log',
      },
    },
  ],
  create: (options, context) => {
    const { mode, file_completed_action: action, file_completed_log_path: log_path } = options
    if (options.delimiter === '') throw refused('expected a delimiter of at least one character, got ""')
    if (options.format === 'json_array' && mode !== 'read') throw refused('format json_array needs mode read')
    if (options.exit_after_read && mode !== 'read') throw refused('exit_after_read needs mode read')
    const logs = action === 'log' || action === 'log_and_delete'
    if (mode === 'read' && logs && log_path === undefined) {
      throw refused(`file_completed_action ${action} needs file_completed_log_path`)
    }
    const paths = options.path.map((path) => resolve(path))
    return createFileSource(
      {
        patterns: {
          paths,
          excludes: options.exclude ?? [],
          sort_by: options.file_sort_by,
          descending: options.file_sort_direction === 'desc',
        },
        mode,
        format: options.format,
        begins_at_end: options.start_position === 'end',
        delimiter: Buffer.from(options.delimiter),
        positions_path: positionsPath(options.sincedb_path, paths, context.paths.data),
        stat_interval_ms: options.stat_interval,
        discover_interval_ms: options.stat_interval * options.discover_interval,
        write_interval_ms: options.sincedb_write_interval,
        clean_after_ms: options.sincedb_clean_after,
        close_older_ms: options.close_older,
        ignore_older_ms: options.ignore_older,
        max_open_files: options.max_open_files,
        exit_after_read: options.exit_after_read,
        deletes_completed: mode === 'read' && action !== 'log',
        completed_log_path: mode === 'read' && logs && log_path !== undefined ? resolve(log_path) : undefined,
      },
      context,
    )
  },
})

function refused(message: string): MillraceError {
  return new MillraceError('INPUT_CANNOT_START', message)
}

/** The same inputs find their positions again whatever their place in the config. */
function positionsPath(given: string | undefined, paths: readonly string[], data_folder: string): string | undefined {
  if (given === '/dev/null' || given?.toUpperCase() === 'NUL') return undefined
  if (given !== undefined) return resolve(given)
  const hash = createHash('sha256').update(paths.join('\0')).digest('hex').slice(0, 16)
  return join(data_folder, 'positions', `file-${hash}.json`)
}
