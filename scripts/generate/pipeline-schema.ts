import { SETTINGS } from '../../src/config/pipeline-json/settings.ts'
import type { AnySpec, Catalog } from '../../src/core/component.ts'
import type { JsonSchema, OptionSpecs } from '../../src/core/options/options.ts'
import { COMMON_OPTIONS } from './component-page.ts'

const ENABLED: JsonSchema = {
  type: ['boolean', 'string', 'number'],
  description: 'Off when false, "false", "0" or empty; a leading ! negates. Takes ${VARIABLE:default}.',
}

/** The JSON Schema of `pipeline.json`, for completion and checks in editors. */
export function pipelineSchema(catalog: Catalog): JsonSchema {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'A Millrace pipeline',
    type: 'object',
    additionalProperties: false,
    required: ['inputs', 'outputs'],
    properties: {
      $schema: { type: 'string' },
      pipeline: objectOf(SETTINGS, 'Settings of the pipeline.'),
      inputs: { type: 'array', items: { anyOf: catalog.all('input').map(componentSchema) } },
      filters: { type: 'array', items: { $ref: '#/$defs/filter' } },
      outputs: { type: 'array', items: { $ref: '#/$defs/output' } },
    },
    $defs: {
      filter: { anyOf: [...catalog.all('filter').map(componentSchema), ifSchema('filter')] },
      output: { anyOf: [...catalog.all('output').map(componentSchema), ifSchema('output')] },
    },
  }
}

function componentSchema(spec: AnySpec): JsonSchema {
  const options = { ...COMMON_OPTIONS[spec.kind], ...spec.options }
  const inner = objectOf(options, spec.summary)
  return {
    type: 'object',
    additionalProperties: false,
    required: [spec.name],
    properties: { [spec.name]: { ...inner, properties: { enabled: ENABLED, ...(inner['properties'] as JsonSchema) } } },
  }
}

function objectOf(options: OptionSpecs, description: string): JsonSchema {
  const required = Object.entries(options)
    .filter(([, option]) => option.required)
    .map(([name]) => name)
  return {
    type: 'object',
    description,
    additionalProperties: false,
    ...(required.length === 0 ? {} : { required }),
    properties: Object.fromEntries(Object.entries(options).map(([name, option]) => [name, option.schema])),
  }
}

function ifSchema(kind: 'filter' | 'output'): JsonSchema {
  const nodes = { type: 'array', items: { $ref: `#/$defs/${kind}` } }
  return {
    type: 'object',
    additionalProperties: false,
    required: ['if', 'then'],
    properties: {
      if: { type: 'string', description: 'A condition in the language of Logstash: [level] == "error"' },
      then: nodes,
      else: nodes,
    },
  }
}
