import { isDeepStrictEqual } from 'node:util'
import type { Binding } from '../core/contracts.ts'
import type { ConfigError } from '../core/errors.ts'
import { formatAddress } from '../network/address.ts'
import { adviseOnListening } from '../network/listen.ts'
import { listeners, type Reservation } from '../network/listeners.ts'
import { bindingsOf, type Prepared } from './prepare-pipeline.ts'
import { refusal } from './reloadable.ts'

/**
 * Looks whether other pipelines have the addresses of this one, but for those that hand them on.
 * @throws ConfigError for the first address that one has
 */
export function checkAddresses(
  { plan, compiled, loaded }: Prepared,
  members: readonly Omit<Prepared, 'attach'>[],
  handed_on: readonly string[],
): void {
  const others = members.filter(
    (other) => other.plan.settings.id !== plan.settings.id && !handed_on.includes(other.plan.settings.id),
  )
  for (const binding of bindingsOf(compiled)) {
    if (binding.port === 0) continue
    const other = others.find((one) => bindingsOf(one.compiled).some((taken) => isDeepStrictEqual(taken, binding)))
    if (other !== undefined) throw refuse(loaded, binding, `the pipeline ${other.plan.settings.id} listens there`)
  }
}

/** @throws ConfigError for addresses that cannot be listened on */
export async function reserveAddresses({ compiled, loaded }: Prepared): Promise<Reservation> {
  const reservations: Reservation[] = []
  const cancel = (): void => {
    for (const reservation of reservations) reservation.cancel()
  }
  for (const binding of bindingsOf(compiled)) {
    try {
      reservations.push(await listeners.reserve(binding))
    } catch (thrown) {
      cancel()
      throw refuse(loaded, binding, adviseOnListening(thrown))
    }
  }
  return { cancel }
}

function refuse(loaded: Prepared['loaded'], { host, port }: Binding, why: string): ConfigError {
  return refusal(loaded, `can not listen on ${formatAddress(host, port)}: ${why}`)
}
