import { createSocket, type RemoteInfo } from 'node:dgram'
import { once } from 'node:events'

const TYPES: { readonly [number: number]: string } = { 1: 'A', 12: 'PTR', 28: 'AAAA' }

/** Answers by question (`A example.test`): the data of the records, no such name where it is missing, silence for `silent`. */
export interface DnsZone {
  readonly [question: string]: readonly string[] | 'silent' | 'failure'
}

export interface DnsServer extends AsyncDisposable {
  /** `127.0.0.1:15353` */
  readonly address: string
  /** Every question so far, in the order they came. */
  readonly questions: readonly string[]
}

/** A name server on 127.0.0.1 for tests: UDP, one question a packet, and it says only what it is told to. */
export async function startDnsServer(zone: DnsZone): Promise<DnsServer> {
  const questions: string[] = []
  const socket = createSocket('udp4')
  socket.on('message', (query: Buffer, from: RemoteInfo) => {
    const { question, end } = readQuestion(query)
    questions.push(question)
    const answer = zone[question]
    if (answer !== 'silent') socket.send(replyTo(query, end, answer), from.port, from.address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return {
    address: `127.0.0.1:${socket.address().port}`,
    questions,
    [Symbol.asyncDispose]: async () => {
      socket.close()
      await once(socket, 'close')
    },
  }
}

function readQuestion(query: Buffer): { readonly question: string; readonly end: number } {
  const labels: string[] = []
  let at = 12
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  return { question: `${TYPES[query.readUInt16BE(at + 1)] ?? '?'} ${labels.join('.')}`, end: at + 5 }
}

const NO_SUCH_NAME = 3
const SERVER_FAILURE = 2

function replyTo(query: Buffer, end: number, answer: readonly string[] | 'failure' | undefined): Buffer {
  const records = Array.isArray(answer) ? answer.map(dataOf) : []
  const header = Buffer.alloc(12)
  query.copy(header, 0, 0, 2)
  const code = answer === undefined ? NO_SUCH_NAME : answer === 'failure' ? SERVER_FAILURE : 0
  header.writeUInt16BE(0x8580 | code, 2)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(records.length, 6)
  const type = query.subarray(end - 4, end - 2)
  return Buffer.concat([header, query.subarray(12, end), ...records.map((data) => recordOf(type, data))])
}

/** A record for the name of the question. */
function recordOf(type: Buffer, data: Buffer): Buffer {
  const head = Buffer.from([0xc0, 12, type[0] ?? 0, type[1] ?? 0, 0, 1, 0, 0, 0, 60, 0, 0])
  head.writeUInt16BE(data.length, 10)
  return Buffer.concat([head, data])
}

/** IPv4, IPv6 written in full, or a name. */
function dataOf(text: string): Buffer {
  if (/^[\d.]+$/.test(text)) return Buffer.from(text.split('.').map(Number))
  if (text.includes(':')) return Buffer.concat(text.split(':').map((group) => Buffer.from(group.padStart(4, '0'), 'hex')))
  return Buffer.concat([
    ...text.split('.').map((label) => Buffer.from(`${String.fromCharCode(label.length)}${label}`)),
    Buffer.of(0),
  ])
}
