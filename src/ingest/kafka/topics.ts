import { MillraceError, messageOf } from '../../core/errors.ts'

/** Which of the topics that exist are to be read, and which are still missing. */
interface TopicChoice {
  readonly present: readonly string[]
  readonly missing: readonly string[]
}

/** Chooses from the names of all topics. Also made anew while reading: topics come and go. */
export type ChooseTopics = (existing: readonly string[]) => TopicChoice

/** Topics by their names. */
export function byName(topics: readonly string[]): ChooseTopics {
  const wanted = [...new Set(topics)]
  return (existing) => {
    const names = new Set(existing)
    return { present: wanted.filter((topic) => names.has(topic)), missing: wanted.filter((topic) => !names.has(topic)) }
  }
}

/**
 * Topics whose whole name fits a pattern.
 * @throws MillraceError INPUT_CANNOT_START for a pattern that is none
 */
export function byPattern(pattern: string, exclude_internal: boolean): ChooseTopics {
  let whole: RegExp
  try {
    whole = new RegExp(`^(?:${pattern})$`, 'v')
  } catch (thrown) {
    throw new MillraceError('INPUT_CANNOT_START', `topics_pattern: ${messageOf(thrown)}`)
  }
  return (existing) => ({
    present: existing.filter((topic) => whole.test(topic) && !(exclude_internal && topic.startsWith('__'))).sort(),
    missing: [],
  })
}
