import type { Event } from '../core/event.ts'
import type { Template } from '../core/template.ts'

/** The text for an event; `undefined` where it is empty or a placeholder still stands in it, so that it says nothing. */
export function resolvedText(template: Template, event: Event): string | undefined {
  const text = template.format(event)
  return isResolved(text, template) ? text : undefined
}

export function isResolved(text: string, template: Template): boolean {
  const placeholders = template.text.match(/%\{[^}]+\}/g) ?? []
  return text !== '' && !placeholders.some((placeholder) => text.includes(placeholder))
}
