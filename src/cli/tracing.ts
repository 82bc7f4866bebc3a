import type { Setting, Settings } from '../config/settings/layer.ts'
import { ConfigError } from '../core/errors.ts'
import type { ProgramLog } from '../telemetry/log.ts'
import type { MetricsRegistry } from '../telemetry/metrics.ts'
import { Tracer } from '../telemetry/tracing/tracer.ts'
import { version } from './version.ts'

export interface TracingSettings {
  /** Of the traces; `undefined`: the environment names it, and the exporter reads it there. */
  readonly url: string | undefined
  /** The share of traces that is kept, 0 to 1. */
  readonly ratio: number
  /** What the program's own spans belong to. */
  readonly service: string
}

const RATIO = 0.1

/** Whether and how spans are sent: `tracing.endpoint` and `tracing.sampling`, else OpenTelemetry's variables. */
export function readTracing(settings: Settings, variables: NodeJS.ProcessEnv): TracingSettings | undefined {
  const setting = settings.get('tracing.endpoint')
  const endpoint = setting?.value ?? ''
  const is_named = (variables['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] ?? variables['OTEL_EXPORTER_OTLP_ENDPOINT'] ?? '') !== ''
  const ratio = readRatio(settings.get('tracing.sampling'), variables['OTEL_TRACES_SAMPLER_ARG'])
  if ((endpoint === '' && !is_named) || variables['OTEL_SDK_DISABLED'] === 'true') return undefined
  return {
    url: setting === undefined || endpoint === '' ? undefined : tracesUrl(setting),
    ratio,
    service: variables['OTEL_SERVICE_NAME'] || 'millrace',
  }
}

/** Of a base URL, as in OpenTelemetry's variable of that kind. */
function tracesUrl({ value, at }: Setting): string {
  if (/^https?:$/.test(URL.parse(value)?.protocol ?? '')) return `${value.replace(/\/+$/, '')}/v1/traces`
  const message = `tracing.endpoint: expected a URL such as http://jaeger:4318, got ${value}`
  throw new ConfigError([{ code: 'CONFIG_INVALID_OPTION', at, message }])
}

function readRatio(setting: Setting | undefined, of_environment: string | undefined): number {
  const text = setting?.value ?? of_environment
  if (text === undefined || text === '') return RATIO
  const ratio = /^\d*\.?\d+$/.test(text) ? Number(text) : Number.NaN
  if (ratio <= 1) return ratio
  const name = setting === undefined ? 'OTEL_TRACES_SAMPLER_ARG' : 'tracing.sampling'
  const at = setting?.at ?? { file: 'environment', line: 1, column: 1 }
  throw new ConfigError([
    { code: 'CONFIG_INVALID_OPTION', at, message: `${name}: expected a share from 0 to 1 such as 0.1, got ${text}` },
  ])
}

/** What sends spans is loaded with the first one. */
export function openTracer(settings: TracingSettings | undefined, metrics: MetricsRegistry, log: ProgramLog): Tracer | undefined {
  if (settings === undefined) return undefined
  const { url, ratio, service } = settings
  return new Tracer({
    ratio,
    metrics,
    log: log.child('tracing'),
    load: async () => {
      const { createOtlpExporter } = await import('../telemetry/tracing/otlp-exporter.ts')
      return createOtlpExporter({ url, service, version })
    },
  })
}
