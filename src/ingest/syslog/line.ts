/** A line as RFC 3164 has it, taken apart. */
export interface SyslogLine {
  readonly priority: number
  readonly timestamp: string
  /** The timestamp is of ISO 8601, as newer daemons write it. */
  readonly is_iso: boolean
  readonly host: string
  readonly program: string | undefined
  readonly pid: string | undefined
  readonly message: string
}

const MONTH = '(?:[Jj]an|[Ff]eb|[Mm][aä]r|[Aa]pr|[Mm]a[yi]|[Jj]u[nl]|[Aa]ug|[Ss]ep|[Oo][ck]t|[Nn]ov|[Dd]e[cz])[a-z]{0,6}'
const CLOCK = '(?:[01]?\\d|2[0-3]):[0-5]\\d:(?:[0-5]?\\d|60)(?:[:.,]\\d+)?'
const ISO =
  '\\d{2}(?:\\d{2})?-[01]?\\d-[0-3]?\\d[T ][0-2]?\\d:?[0-5]\\d(?::?[0-6]?\\d(?:[.,:]\\d+)?)?(?:Z|[+-]\\d\\d(?::?\\d\\d)?)?'
const NAME = '[0-9A-Za-z][0-9A-Za-z.-]*'
const IPV6 = '[0-9A-Fa-f]*:[0-9A-Fa-f:.]*(?:%[0-9A-Za-z]+)?'

/** Up to the blank behind the host. No part of it can be read in two ways, so a long line costs no more than its length. */
const HEAD = new RegExp(
  `<([1-9]\\d{0,14})>(?:(${MONTH} +[0-3]?\\d ${CLOCK})|(${ISO})) (?:<\\d+\\.\\d+> )?(${IPV6}|${NAME}) `,
  'g',
)
/** What is printable but brackets, then perhaps a number in brackets, and a colon before a blank. */
const PROGRAM = /([\x21-\x5a\x5c\x5e-\x7e]+)(?:\[([1-9]\d*)\])?: /y

/**
 * Takes a line apart:
 *
 *     <34>Oct 11 22:14:15 mymachine su[42]: 'su root' failed
 *     priority, time, host, program and pid where they are, message to the end of the text, its line end included
 *
 * As in Logstash it may stand anywhere in the text, and a priority of 0 is none. `undefined`: there is no such line.
 */
export function readSyslogLine(text: string): SyslogLine | undefined {
  HEAD.lastIndex = 0
  const head = HEAD.exec(text)
  if (head === null) return undefined
  const [, priority = '', timestamp, iso_timestamp = '', host = ''] = head
  PROGRAM.lastIndex = HEAD.lastIndex
  const program = PROGRAM.exec(text)
  const start = program === null ? HEAD.lastIndex : PROGRAM.lastIndex
  return {
    priority: Number(priority),
    timestamp: timestamp ?? iso_timestamp,
    is_iso: timestamp === undefined,
    host,
    program: program?.[1],
    pid: program?.[2],
    message: text.slice(start),
  }
}
