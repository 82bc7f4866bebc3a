// biome-ignore format: a list to look through, not to read line by line
const ASCII_BASED = [
  'UTF-8', 'US-ASCII', 'ASCII-8BIT', 'ISO-8859-1', 'ISO-8859-2', 'ISO-8859-3', 'ISO-8859-4', 'ISO-8859-5',
  'ISO-8859-6', 'ISO-8859-7', 'ISO-8859-8', 'ISO-8859-10', 'ISO-8859-13', 'ISO-8859-14', 'ISO-8859-15', 'ISO-8859-16',
  'Windows-1250', 'Windows-1251', 'Windows-1252', 'Windows-1253', 'Windows-1254', 'Windows-1255', 'Windows-1256',
  'Windows-1257', 'Windows-1258', 'KOI8-R', 'KOI8-U', 'IBM866', 'GBK', 'GB18030', 'Big5', 'EUC-JP', 'EUC-KR',
  'Shift_JIS', 'Windows-874', 'macRoman', 'macCyrillic',
] as const
/** Ruby's other names for some of them. */
// biome-ignore format: a list to look through, not to read line by line
const ALIASES = {
  ASCII: 'US-ASCII', 'ANSI_X3.4-1968': 'US-ASCII', BINARY: 'ASCII-8BIT', CP65001: 'UTF-8',
  CP1250: 'Windows-1250', CP1251: 'Windows-1251', CP1252: 'Windows-1252', CP1253: 'Windows-1253', CP1254: 'Windows-1254',
  CP1255: 'Windows-1255', CP1256: 'Windows-1256', CP1257: 'Windows-1257', CP1258: 'Windows-1258',
  CP874: 'Windows-874', 'TIS-620': 'Windows-874', 'ISO-8859-11': 'Windows-874', CP866: 'IBM866', CP878: 'KOI8-R',
  CP936: 'GBK', GB2312: 'GBK', 'EUC-CN': 'GBK', eucCN: 'GBK', CP949: 'EUC-KR', eucKR: 'EUC-KR', CP950: 'Big5', eucJP: 'EUC-JP',
  CP932: 'Shift_JIS', 'Windows-31J': 'Shift_JIS', csWindows31J: 'Shift_JIS', SJIS: 'Shift_JIS',
  'ISO8859-1': 'ISO-8859-1', 'ISO8859-2': 'ISO-8859-2', 'ISO8859-5': 'ISO-8859-5', 'ISO8859-15': 'ISO-8859-15',
} as const
/** Character sets whose line feed is the one byte 0x0A, so that a stream can be cut before it is decoded. */
export const LINE_CHARSETS = [...ASCII_BASED, ...(Object.keys(ALIASES) as (keyof typeof ALIASES)[])] as const
/** All character sets, by Ruby's names. */
export const CHARSETS = [...LINE_CHARSETS, 'UTF-16LE', 'UTF-16BE'] as const
export type Charset = (typeof CHARSETS)[number]

/** How the bytes of a character set become text. Never throws: what is not valid becomes U+FFFD. */
export function decoderOf(name: Charset): (bytes: Buffer) => string {
  const charset = isAlias(name) ? ALIASES[name] : name
  if (charset === 'UTF-8') return (bytes) => bytes.toString('utf8')
  // TextDecoder takes both names for Windows-1252, which gives 0x80 to 0x9F another meaning.
  if (charset === 'ISO-8859-1') return (bytes) => bytes.toString('latin1')
  if (charset === 'US-ASCII' || charset === 'ASCII-8BIT') return (bytes) => bytes.toString('latin1').replace(NOT_ASCII, '\ufffd')
  const decoder = new TextDecoder(LABELS[charset] ?? charset, { ignoreBOM: true })
  return (bytes) => decoder.decode(bytes)
}

function isAlias(name: Charset): name is keyof typeof ALIASES {
  return Object.hasOwn(ALIASES, name)
}

/** What TextDecoder calls them, where that is not Ruby's name. */
const LABELS: { readonly [charset: string]: string } = { macRoman: 'macintosh', macCyrillic: 'x-mac-cyrillic' }

const NOT_ASCII = /[\u0080-\u00ff]/g
