import { defineInput } from '../core/component.ts'
import * as option from '../core/options/options.ts'

export const pipelineInput = defineInput({
  name: 'pipeline',
  summary: 'Takes the events that other pipelines of this program send to an address.',
  description:
    'Events keep their fields, metadata and origin. The pipeline that sent them acknowledges to its own senders only when they ' +
    'have their end here. At a stop this pipeline goes on until the ones before it have ended.',
  default_codec: 'plain',
  options: {
    address: option.string('The name that outputs send to. Each input has its own.', { required: true }),
  },
  examples: [{ title: 'Take what others send to "es"', options: { address: 'es' } }],
  has_room: true,
  create: ({ address }, context) => {
    const receiver = context.bus.receiveAt(address)
    return {
      // Of the pipelines of the same worker.
      spreads: true,
      run: (deliver, stop, abandon) =>
        receiver.receive(
          async (events) => {
            for (const event of events) context.decorate(event)
            const { settled } = await deliver(events)
            return await settled
          },
          stop,
          abandon,
        ),
    }
  },
})
