import type { Context } from './context.ts'
import type {
  Decoder,
  Encoder,
  FilterContext,
  FilterParts,
  InputContext,
  OutputContext,
  Sink,
  Source,
  Step,
} from './contracts.ts'
import type { OptionSpecs, OptionValues } from './options/options.ts'
import type { OldOptions } from './options/read-options.ts'

/**
 * A documented example: printed in the docs and run as a test. `before` and `after` are documents; `after` lists what
 * the event must be afterwards, `@timestamp` and `@version` left out unless named. `after: null`: the event is dropped;
 * a list: what goes on is these events, in this order.
 */
export interface Example {
  readonly title: string
  readonly options: { readonly [name: string]: unknown }
  readonly before: Document
  readonly after: Document | readonly Document[] | null
}

interface Document {
  readonly [name: string]: unknown
}

interface Spec<S extends OptionSpecs> extends OldOptions {
  /** Logstash's name, where it has one. */
  readonly name: string
  readonly summary: string
  /** Markdown for the docs page, beyond the summary. */
  readonly description?: string
  readonly options: S
}

export interface FilterSpec<S extends OptionSpecs = OptionSpecs> extends Spec<S> {
  readonly kind: 'filter'
  readonly examples: readonly Example[]
  /** What it does with an event depends on those before it: several workers each know of their own alone. */
  readonly remembers?: boolean
  /**
   * Makes the step, or more where a step is not enough, once, at load. Waiting work (opening a database) happens in here too.
   * @throws MillraceError when it cannot be made: becomes a ConfigError at the component's place
   */
  compile(options: OptionValues<S>, context: FilterContext): Step | FilterParts | Promise<Step | FilterParts>
}

export interface InputSpec<S extends OptionSpecs = OptionSpecs> extends Spec<S> {
  readonly kind: 'input'
  readonly default_codec: string
  /** Configurations worth showing, with a sentence each. */
  readonly examples: readonly Pick<Example, 'title' | 'options'>[]
  /** Ends by itself (a pipe, a sample), so that the program can drain and exit. */
  readonly finite?: boolean
  /** Stops at the first event of another input: for the sample, which must never mix with real logs. */
  readonly yields?: boolean
  /** False: what it reads cannot be handed to another one, so a pipeline with it is not reloaded. */
  readonly reloadable?: boolean
  /** Reads streams without borders: the codecs json and plain stand for json_lines and line, as in Logstash. */
  readonly streams?: boolean
  /** Its events are copies of such as this program holds already: they wait for no room, else the two could wait for each other. */
  readonly has_room?: boolean
  create(options: OptionValues<S>, context: InputContext): Source
}

export interface OutputSpec<S extends OptionSpecs = OptionSpecs> extends Spec<S> {
  readonly kind: 'output'
  readonly default_codec: string
  readonly examples: readonly Pick<Example, 'title' | 'options'>[]
  create(options: OptionValues<S>, context: OutputContext): Sink
}

export interface CodecSpec<S extends OptionSpecs = OptionSpecs> extends Spec<S> {
  readonly kind: 'codec'
  readonly examples: readonly Pick<Example, 'title' | 'options'>[]
  createDecoder(options: OptionValues<S>, context: Context): Decoder
  createEncoder(options: OptionValues<S>, context: Context): Encoder
}

/** Any component, its options' types forgotten: what the list of all components holds. */
export type AnySpec = FilterSpec | InputSpec | OutputSpec | CodecSpec

export function defineFilter<const S extends OptionSpecs>(spec: Omit<FilterSpec<S>, 'kind'>): FilterSpec<S> {
  return { kind: 'filter', ...spec }
}

export function defineInput<const S extends OptionSpecs>(spec: Omit<InputSpec<S>, 'kind'>): InputSpec<S> {
  return { kind: 'input', ...spec }
}

export function defineOutput<const S extends OptionSpecs>(spec: Omit<OutputSpec<S>, 'kind'>): OutputSpec<S> {
  return { kind: 'output', ...spec }
}

export function defineCodec<const S extends OptionSpecs>(spec: Omit<CodecSpec<S>, 'kind'>): CodecSpec<S> {
  return { kind: 'codec', ...spec }
}

/** A component without what it is made of. */
export type ComponentName = Pick<AnySpec, 'kind' | 'name'>

/** Components by kind and name. Some may be known by their names only, which is enough to say what is meant by a wrong one. */
export class Catalog {
  readonly #specs: readonly AnySpec[]
  readonly #known: readonly ComponentName[]

  constructor(specs: readonly AnySpec[], known: readonly ComponentName[] = specs) {
    this.#specs = specs
    this.#known = known
  }

  find<K extends AnySpec['kind']>(kind: K, name: string): Extract<AnySpec, { kind: K }> | undefined {
    return this.all(kind).find((spec) => spec.name === name)
  }

  all<K extends AnySpec['kind']>(kind: K): Extract<AnySpec, { kind: K }>[] {
    return this.#specs.filter((spec): spec is Extract<AnySpec, { kind: K }> => spec.kind === kind)
  }

  /** The names of all components of a kind, also of those that are not here. */
  names(kind: AnySpec['kind']): string[] {
    return this.#known.filter((one) => one.kind === kind).map(({ name }) => name)
  }

  /** The same components with others in the place of some. */
  map(change: (spec: AnySpec) => AnySpec): Catalog {
    return new Catalog(this.#specs.map(change), this.#known)
  }
}
