import { guardedRegex, type RegexLimits } from '../../core/regex/guard.ts'
import { capitalizeText } from '../mutate/text.ts'

/** How a text can be written. */
export const TRANSFORMS = ['lowercase', 'uppercase', 'capitalize'] as const

interface TextChange {
  /** Characters (the inside of a class) taken off both ends of each line. */
  readonly trim: string | undefined
  /** Characters taken out everywhere. */
  readonly remove: string | undefined
  readonly transform: (typeof TRANSFORMS)[number] | undefined
}

type ChangeText = (text: string) => string

/** Trims, removes, writes in another case, in this order. */
export function compileTextChange({ trim, remove, transform }: TextChange, limits: RegexLimits): ChangeText {
  const changes: ChangeText[] = []
  if (trim !== undefined) {
    // The second half only begins where a run of such characters does: once for each run.
    const ends = guardedRegex(`^[${trim}]+|(?<![${trim}])[${trim}]+$`, 'g', limits)
    changes.push((text) => ends.replace(text, ''))
  }
  if (remove !== undefined) {
    const anywhere = guardedRegex(`[${remove}]`, 'g', limits)
    changes.push((text) => anywhere.replace(text, ''))
  }
  if (transform !== undefined) changes.push(WAYS[transform])
  if (changes.length === 0) return (text) => text
  return (text) => changes.reduce((changed, change) => change(changed), text)
}

const WAYS: { readonly [transform in (typeof TRANSFORMS)[number]]: ChangeText } = {
  lowercase: (text) => text.toLowerCase(),
  uppercase: (text) => text.toUpperCase(),
  capitalize: capitalizeText,
}
