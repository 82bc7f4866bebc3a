// npm run bench: every claim, each in the same run as what it is compared with.
import { benchCore, CORE_TITLE, coreRows } from './core.ts'
import { benchDate, DATE_TITLE, dateRows } from './date.ts'
import { benchDissect, DISSECT_TITLE, dissectRows } from './dissect.ts'
import { benchFile, FILE_TITLE } from './file.ts'
import { benchGeoip, GEOIP_TITLE, geoipRows } from './geoip.ts'
import { benchGrok, GROK_TITLE, grokRows } from './grok.ts'
import { printTable, showProgress } from './harness/table.ts'
import { benchIdleConnections, IDLE_CONNECTIONS_TITLE } from './idle-connections.ts'
import { benchKv, KV_TITLE, kvRows } from './kv.ts'
import { benchLumberjack, LUMBERJACK_TITLE } from './lumberjack.ts'
import { benchRedact, REDACT_TITLE, redactRows } from './redact.ts'
import { benchStableIds, STABLE_IDS_TITLE, stableIdsRows } from './stable-ids.ts'
import { benchStartUp, START_UP_TITLE } from './start-up.ts'
import { benchUseragent, USERAGENT_TITLE, useragentRows } from './useragent.ts'
import { benchWorkers, WORKERS_TITLE } from './workers.ts'

showProgress('our core and the naive loop in turn')
printTable(CORE_TITLE, coreRows(await benchCore()))
printTable(LUMBERJACK_TITLE, await benchLumberjack())
printTable(WORKERS_TITLE, await benchWorkers())
printTable(FILE_TITLE, await benchFile())
printTable(START_UP_TITLE, await benchStartUp())
printTable(DISSECT_TITLE, dissectRows(await benchDissect()))
printTable(KV_TITLE, kvRows(await benchKv()))
printTable(USERAGENT_TITLE, useragentRows(await benchUseragent()))
printTable(GEOIP_TITLE, geoipRows(await benchGeoip()))
printTable(REDACT_TITLE, redactRows(await benchRedact()))
printTable(GROK_TITLE, grokRows(await benchGrok()))
printTable(DATE_TITLE, dateRows(await benchDate()))
printTable(STABLE_IDS_TITLE, stableIdsRows(await benchStableIds()))
printTable(IDLE_CONNECTIONS_TITLE, await benchIdleConnections())
