/** One line of a sample, with what Filebeat would put beside it. */
export interface SampleLine {
  /** A JSON object. */
  readonly line: string
  readonly service: string
  readonly env: string
}
