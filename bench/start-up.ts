// Claim: the program listens half a second after it was started.
import { spread } from './harness/compare.ts'
import { NullServer } from './harness/null-server.ts'
import { BenchedProgram } from './harness/program.ts'
import { ROUNDS } from './harness/scale.ts'
import { printTable, type Row, showProgress } from './harness/table.ts'

const CLAIM_MS = 500

/** Starts the program with the default pipeline and waits until its Beats port takes a connection. */
async function benchStartUp(): Promise<Row[]> {
  await using server = await NullServer.start()
  const figures: number[] = []
  for (let round = 1; round <= ROUNDS; round++) {
    showProgress(`start to listening: round ${round} of ${ROUNDS}`)
    await using program = await BenchedProgram.start(server.url)
    figures.push(program.listening_after_ms)
  }
  return [{ what: 'start to listening', unit: 'ms', figures: spread(figures), claim: { at_most: CLAIM_MS } }]
}

const TITLE = 'Start: bin/millrace with the default pipeline until its Beats port takes a connection'

printTable(TITLE, await benchStartUp())
