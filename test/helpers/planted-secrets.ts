import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runTool } from './run-tool.ts'

/** Where the program gets a value from. */
export type Source = 'literal' | 'environment' | 'file' | 'keystore'

/**
 * Secrets that a test gives to a program, each of them another one, and a search for them in whatever the program says. Those that
 * are no literals are variables: of the environment, of files that the environment names, or of the keystore.
 */
export class PlantedSecrets {
  /** Of the config, the settings, the keystore and the files. */
  readonly folder: string
  /** What the program is started with. */
  readonly env: Record<string, string> = { MILLRACE_KEYSTORE_PASS: 'pw-of-the-keystore' }
  readonly #secrets = new Map([['the password of the keystore', 'pw-of-the-keystore']])
  readonly #literals = new Set<string>()
  readonly #files = new Map<string, string>()
  readonly #kept = new Map<string, string>()

  constructor(folder: string) {
    this.folder = folder
  }

  /** What stands in a config for a new secret that can stand in an address too. */
  plain(name: string, source: Source): string {
    return this.#plant(name, source, `pw-${name}-${source}`)
  }

  /** The same, with characters that are written in another way in JSON, in addresses and in base64. */
  odd(name: string, source: Source): string {
    return this.#plant(name, source, `pw-${name}/+'ü-${source}`)
  }

  valueOf(name: string): string {
    return this.#secrets.get(name) ?? ''
  }

  /** Writes the files and the keystore. */
  async write(): Promise<void> {
    for (const [file, value] of this.#files) await writeFile(file, `${value}\n`)
    if (this.#kept.size === 0) return
    const settings = ['--path.settings', this.folder]
    await runTool(['keystore', 'create', ...settings], '', this.env)
    for (const [name, value] of this.#kept) await runTool(['keystore', 'add', name, ...settings], value, this.env)
  }

  /** The names of the secrets that a text holds in any form. */
  namesIn(text: string): string[] {
    return [...this.#secrets].flatMap(([name, value]) => (formsOf(value).some((form) => text.includes(form)) ? [name] : []))
  }

  /** Where texts hold a secret, with what stands around it. `literals`: those that stand in the config are expected. */
  leaksIn(said: Readonly<Record<string, string>>, { literals = false } = {}): string[] {
    return Object.entries(said).flatMap(([door, text]) =>
      [...this.#secrets].flatMap(([name, value]) => {
        const form = literals && this.#literals.has(name) ? undefined : formsOf(value).find((one) => text.includes(one))
        if (form === undefined) return []
        const at = text.indexOf(form)
        return [`${door}: ${name} in ${text.slice(Math.max(0, at - 100), at + form.length + 50)}`]
      }),
    )
  }

  #plant(name: string, source: Source, value: string): string {
    this.#secrets.set(name, value)
    switch (source) {
      case 'literal':
        this.#literals.add(name)
        return value
      case 'environment':
        this.env[name] = value
        break
      case 'file':
        this.env[`${name}_FILE`] = join(this.folder, `${name}.secret`)
        this.#files.set(join(this.folder, `${name}.secret`), value)
        break
      case 'keystore':
        this.#kept.set(name, value)
        break
    }
    return `\${${name}}`
  }
}

/** As it is, in JSON, in an address, and in base64 wherever it begins there. */
function formsOf(secret: string): string[] {
  const coded = ['', 'x', 'xx'].map((before) => {
    const text = Buffer.from(before + secret).toString('base64')
    // Without what depends on the neighbours.
    return text.slice(before === '' ? 0 : 4, -4)
  })
  return [...new Set([secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret), ...coded])]
}

/** Ports of a server that refuses everybody, of one for mails, of one for traces, of an input, and one where nobody listens. */
export interface Ports {
  readonly refusing: number
  readonly mail: number
  readonly traces: number
  readonly input: number
  readonly nobody: number
}

/** A config with a secret in whatever takes one, from every source. */
export function configOf(secrets: PlantedSecrets, { refusing, mail, input, nobody }: Ports): string {
  const there = `127.0.0.1:${refusing}`
  const gone = `127.0.0.1:${nobody}`
  const login = (name: string, password: string): string => `username='${name}' password='${password}';`
  const module = 'org.apache.kafka.common.security.scram.ScramLoginModule required'
  return `
input {
  http { host => "127.0.0.1" port => ${input} user => ann password => "${secrets.odd('HTTP_INPUT', 'file')}" }
  kafka {
    bootstrap_servers => "${gone}" topics => ["logs"] security_protocol => SASL_PLAINTEXT sasl_mechanism => PLAIN
    sasl_jaas_config => "${module} ${login('ann', secrets.plain('JAAS_INPUT', 'environment'))}"
    ssl_key_password => "${secrets.odd('KEY_PASSWORD', 'file')}" ssl_keystore_password => "${secrets.odd('STORE_PASSWORD', 'keystore')}"
  }
}
filter {
  fingerprint { method => SHA256 key => "${secrets.plain('FINGERPRINT_KEY', 'literal')}" source => "message" target => fp }
}
output {
  elasticsearch { hosts => ["http://elastic:${secrets.plain('ES_ADDRESS', 'literal')}@${there}"] index => logs }
  elasticsearch {
    hosts => ["http://${there}"] user => elastic password => "${secrets.odd('ES_PASSWORD', 'keystore')}" index => logs
    custom_headers => { "X-Api-Key" => "${secrets.odd('ES_HEADER', 'environment')}" }
  }
  elasticsearch { hosts => ["http://${there}"] api_key => "id:${secrets.odd('API_KEY', 'environment')}" index => logs }
  elasticsearch { hosts => ["http://${there}"] cloud_auth => "elastic:${secrets.odd('CLOUD_AUTH', 'file')}" index => logs }
  elasticsearch {
    hosts => ["http://${gone}"] user => elastic password => "${secrets.plain('ES_AWAY', 'literal')}" index => logs
    proxy => "http://ann:${secrets.plain('ES_PROXY', 'literal')}@${there}"
  }
  elasticsearch { hosts => ["http://ann:${secrets.plain('ES_ADDRESS_AWAY', 'environment')}@${gone}"] index => logs }
  http {
    url => "http://ann:${secrets.plain('URL', 'literal')}@${there}/x?access_token=${secrets.plain('URL_TOKEN', 'environment')}"
    http_method => post
  }
  http {
    url => "http://${there}/y" http_method => post
    headers => { "Authorization" => "Bearer ${secrets.plain('BEARER', 'literal')}" }
  }
  http { url => "http://${there}/z" http_method => post user => ann password => "${secrets.odd('HTTP_OUTPUT', 'environment')}" }
  http {
    url => "http://ann:${secrets.plain('URL_AWAY', 'file')}@${gone}/" http_method => post
    proxy => "http://ann:${secrets.plain('HTTP_PROXY_LOGIN', 'literal')}@${gone}"
  }
  kafka {
    bootstrap_servers => "${gone}" topic_id => logs security_protocol => SASL_PLAINTEXT sasl_mechanism => "SCRAM-SHA-256"
    sasl_jaas_config => "${module} ${login('ann', secrets.plain('JAAS_OUTPUT', 'literal'))}"
  }
  email {
    to => "a@example.com" address => "127.0.0.1" port => ${mail} authentication => plain username => ann
    password => "${secrets.odd('MAIL', 'keystore')}"
  }
}
`
}

/** A logstash.yml with secrets. */
export function settingsOf(secrets: PlantedSecrets, { traces }: Ports): string {
  return `
api.auth.type: token
api.auth.token: "${secrets.odd('API_TOKEN', 'environment')}"
xpack.monitoring.elasticsearch.password: "${secrets.odd('MONITORING', 'literal')}"
xpack.management.elasticsearch.password: "${secrets.odd('MANAGEMENT', 'environment')}"
cloud.auth: "ann:${secrets.odd('SETTINGS_CLOUD', 'literal')}"
tracing.endpoint: "http://ann:${secrets.plain('TRACING', 'literal')}@127.0.0.1:${traces}"
tracing.sampling: 1
`
}
