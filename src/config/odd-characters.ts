import type { TextReader } from './text-reader.ts'

/** Quotes of text processors. */
const QUOTES = '\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb'

const ODD_CHARACTERS: { readonly [char: string]: string } = {
  '\u00a0': 'this is a no-break space (U+00A0): replace it by an ordinary blank',
  '\u3000': 'this is an ideographic space (U+3000): replace it by an ordinary blank',
  '\u200b': 'this is a character without width (U+200B): delete it',
  '\ufeff': 'this is a byte order mark (U+FEFF): save the file as UTF-8 without it',
  '\uff1d': 'this is a full-width equals sign: write =',
  '\uff5b': 'this is a full-width brace: write {',
  '\uff5d': 'this is a full-width brace: write }',
  '\uff0c': 'this is a full-width comma: write ,',
  ';': 'leave the semicolon out: a line needs no end mark',
  '\\': 'a backslash has no meaning here',
}

/** What is odd about the character where the reader stands, if that is known. */
export function oddCharacter(reader: TextReader): { hint: string; resume?: number; meant?: string } | undefined {
  const { char = '', at, text } = reader
  if (QUOTES.includes(char) && char !== '') {
    const inside = /^[^"\r\n\u00bb\u2018-\u201d]*/.exec(text.slice(at + 1, at + 1_000))?.[0] ?? ''
    const end = at + 1 + inside.length
    const resume = QUOTES.includes(text[end] ?? '\n') || text[end] === '"' ? end + 1 : end
    return { hint: `${char} is a typographic quote: write "`, resume, meant: text.slice(at + 1, end) }
  }
  const hint = ODD_CHARACTERS[char]
  if (hint !== undefined) return { hint }
  if (reader.peek(/\/\/|\/\*|--/y) !== undefined) {
    const line = reader.peek(/[^\r\n]*/y) ?? ''
    return { hint: 'a comment begins with #', resume: at + line.length }
  }
  return undefined
}
