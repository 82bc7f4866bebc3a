import { describeThrown } from '../core/errors.ts'

/** Why a component could not be made, beginning with the words of Logstash, for people search for them. */
export function cannotRegister(name: string, kind: 'input' | 'filter' | 'output', thrown: unknown): string {
  return `Cannot register ${name} ${kind} plugin. The error reported is: ${describeThrown(thrown)}`
}
