import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { defineFilter } from '../core/component.ts'
import type { FilterContext, FilterParts } from '../core/contracts.ts'
import { MillraceError, messageOf } from '../core/errors.ts'
import type { Event } from '../core/event.ts'
import * as option from '../core/options/options.ts'
import type { Template } from '../core/template.ts'
import { NetworkSet, parseNetwork } from '../geoip/network-set.ts'

const CIDR_OPTIONS = {
  address: option.templates('Addresses to look for, as `%{ip}`.', { required: true }),
  network: option.templates('Networks, as `10.0.0.0/8`; one text may list several with commas, and take %{field}.', {
    default: [],
  }),
  network_path: option.path('File with networks, instead of `network`.'),
  refresh_interval: option.number('Seconds after which the file is read again.', { default: 600, min: 0 }),
  separator: option.string('What stands between the networks of the file.', { default: '\n' }),
}

export const cidr = defineFilter({
  name: 'cidr',
  summary: 'Applies the common options (`add_tag`, `add_field`, …) to events with an address in one of some networks.',
  description: `
One address in one network is enough. What is no address or no network is passed over, with a warning. Addresses and
networks are IPv4 or IPv6; IPv4 within IPv6 (\`::ffff:10.0.0.1\`) counts as IPv4, a mask may be written out
(\`10.0.0.0/255.0.0.0\`). The number of networks hardly matters for the speed.

When a file that was read before cannot be read, or is empty, the networks known before stay.
`.trim(),
  options: CIDR_OPTIONS,
  examples: [
    {
      title: 'Addresses of the house',
      options: { address: ['%{ip}'], network: ['10.0.0.0/8', '2001:db8::/32'], add_tag: ['internal'] },
      before: { ip: '10.1.2.3' },
      after: { ip: '10.1.2.3', tags: ['internal'] },
    },
    {
      title: 'Somewhere else',
      options: { address: ['%{ip}'], network: ['10.0.0.0/8'], add_tag: ['internal'] },
      before: { ip: '192.0.2.1' },
      after: { ip: '192.0.2.1' },
    },
  ],
  async compile(options, context) {
    const { network_path, network } = options
    if (network_path !== undefined && network.length > 0) {
      throw new MillraceError('OPTION_INVALID', "The configuration options 'network' and 'network_path' are mutually exclusive")
    }
    if (network_path === undefined) return { step: compileStep(options.address, networksOf(network, context), context) }
    return await fromFile(resolve(context.paths.config, network_path), options, context)
  },
})

type NetworksOf = (event: Event) => NetworkSet

function compileStep(addresses: readonly Template[], networks: NetworksOf, context: FilterContext): FilterParts['step'] {
  return (event) => {
    const known = networks(event)
    for (const template of addresses) {
      const text = template.format(event)
      const address = parseNetwork(text)
      if (address === undefined) {
        context.log.warn('cidr_address', `${context.where}: Invalid IP address, skipping: "${text.slice(0, 100)}"`)
      } else if (known.includes(address)) return context.matched(event)
    }
  }
}

/** Networks that hold no placeholder are read once. */
function networksOf(templates: readonly Template[], context: FilterContext): NetworksOf {
  const constant = templates.flatMap((template) => template.constant ?? [])
  const changing = templates.filter((template) => template.constant === undefined)
  const known = readNetworks(constant, ',', context)
  if (changing.length === 0) return () => known
  return (event) => {
    const texts = changing.map((template) => template.format(event))
    return readNetworks(texts, ',', context, known)
  }
}

function readNetworks(texts: readonly string[], separator: string, context: FilterContext, base?: NetworkSet): NetworkSet {
  const networks = new NetworkSet(base)
  for (const text of texts.flatMap((several) => several.split(separator))) {
    const network = parseNetwork(text.trim())
    if (network !== undefined) networks.add(network)
    else if (text.trim() !== '') {
      context.log.warn('cidr_network', `${context.where}: Invalid IP network, skipping: "${text.trim().slice(0, 100)}"`)
    }
  }
  return networks
}

async function fromFile(
  path: string,
  { address, separator, refresh_interval }: option.OptionValues<typeof CIDR_OPTIONS>,
  context: FilterContext,
): Promise<FilterParts> {
  const load = async (): Promise<NetworkSet> => readNetworks([await readFile(path, 'utf8')], separator, context)
  let known: NetworkSet
  try {
    known = await load()
  } catch (thrown) {
    throw new MillraceError('OPTION_INVALID', `network_path: expected a file with networks: ${messageOf(thrown)}`, {
      cause: thrown,
    })
  }
  const interval_ms = refresh_interval * 1_000
  let next_ms = context.clock.now() + interval_ms
  const refresh = async (): Promise<void> => {
    next_ms = context.clock.now() + interval_ms
    try {
      const read = await load()
      if (read.size > 0) known = read
    } catch (thrown) {
      context.log.warn('cidr_file', `${context.where}: the networks stay as they were: ${messageOf(thrown)}`)
    }
  }
  return {
    step: compileStep(address, () => known, context),
    prepare: () => (context.clock.now() > next_ms ? refresh() : undefined),
  }
}
