import { badNetwork } from './scenarios/bad-network.ts'
import { blockedOutput } from './scenarios/blocked-output.ts'
import { closedIndex } from './scenarios/closed-index.ts'
import { fleet } from './scenarios/fleet.ts'
import { fullDisk } from './scenarios/full-disk.ts'
import { hostileClients } from './scenarios/hostile-clients.ts'
import { killedElasticsearch, killedKafka, killedProgram } from './scenarios/kills.ts'
import { probes } from './scenarios/probes.ts'
import { rebalances } from './scenarios/rebalances.ts'
import type { Scenario } from './stage.ts'

export const SCENARIOS: readonly Scenario[] = [
  killedProgram,
  killedElasticsearch,
  killedKafka,
  rebalances,
  badNetwork,
  probes,
  closedIndex,
  blockedOutput,
  hostileClients,
  fullDisk,
  fleet,
]
