import { defineInput } from '../core/component.ts'
import type { Event, Origin } from '../core/event.ts'
import { parseFieldRef } from '../core/field-ref.ts'
import { kept } from '../core/options/kept-options.ts'
import * as option from '../core/options/options.ts'
import { untilAborted } from '../core/waiting.ts'
import { formatAddress } from '../network/address.ts'
import { tellListening } from '../network/listen.ts'
import { placeIfMissing } from './placed-fields.ts'
import { type Datagram, DatagramReceiver } from './streams/datagrams.ts'
import { decodeWhole } from './whole-message.ts'

export const udp = defineInput({
  name: 'udp',
  summary: 'Receives datagrams: each is one message for the codec.',
  description:
    "The sender's address goes to `source_ip_fieldname` where the codec found nothing for it. Datagrams get lost without anybody " +
    'knowing; those that this program received and had no room for are counted in `millrace_udp_lost_datagrams_total`.',
  default_codec: 'plain',
  options: {
    port: option.integer('The port to listen on. 0 takes any free one.', { required: true, min: 0, max: 65_535 }),
    host: option.string('The address to listen on.', { default: '0.0.0.0' }),
    buffer_size: option.integer('The most that is kept of a datagram, in bytes.', { default: 65_536, min: 1 }),
    queue_size: option.integer('Datagrams that may wait for the pipeline; more are lost.', { default: 2_000, min: 1 }),
    receive_buffer_bytes: option.integer("The size of the system's receive buffer; its own default without it.", { min: 1 }),
    source_ip_fieldname: option.fieldRef("The field for the sender's address. Default: `host`, with ECS `[host][ip]`."),
    workers: kept('there are no such threads'),
    metadata: kept('only codecs that are not here make use of it'),
  },
  examples: [{ title: 'JSON datagrams', options: { port: 5000, codec: 'json', receive_buffer_bytes: 4_194_304 } }],
  create: (options, context) => {
    const { host } = options
    const ecs = context.ecs_compatibility !== 'disabled'
    const field = options.source_ip_fieldname ?? parseFieldRef(ecs ? '[host][ip]' : 'host')
    const path = field.in_metadata ? ['@metadata', ...field.path] : field.path
    const decoder = context.createDecoder()
    const eventsOf = ({ bytes, ip, port: from }: Datagram): Event[] => {
      const decoded = decodeWhole(decoder, bytes)
      const address = formatAddress(ip, from)
      const origin: Origin = { input: context.id, describe: () => address, stableId: () => undefined }
      const each_bytes = Math.ceil(bytes.length / Math.max(1, decoded.length))
      return decoded.map((one) => {
        placeIfMissing(one, path, ip)
        return context.createEvent(one, origin, each_bytes)
      })
    }
    return {
      bindings: [{ protocol: 'udp', host, port: options.port }],
      run: async (deliver, stop) => {
        if (stop.aborted) return
        const settings = { ...options, name: 'udp' }
        const receiver = new DatagramReceiver(settings, context, async (datagrams) => {
          const events = datagrams.flatMap(eventsOf)
          if (events.length > 0) await deliver(events)
        })
        tellListening('udp', host, await receiver.listen(), context)
        await untilAborted(stop)
        await receiver.close()
      },
    }
  },
})
