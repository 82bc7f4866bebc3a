import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { MillraceError } from '../core/errors.ts'
import { Keystore } from '../storage/keystore.ts'
import { readFlags, type Tool, UsageError } from './tool.ts'
import { keystorePassword, keystorePath } from './variables.ts'

export const keystore: Tool = {
  usage: `bin/millrace keystore: keep secrets for \${NAME} in configs in an encrypted file

  bin/millrace keystore create          make an empty one
  bin/millrace keystore list            print the names
  bin/millrace keystore add NAME…       ask for values and keep them (or read one from a pipe)
  bin/millrace keystore remove NAME…

      --path.settings DIR   where the file millrace.keystore lies   (config)

The password is taken from MILLRACE_KEYSTORE_PASS. Without one, the file is protected by its permissions only.
`,
  run: async (words) => {
    const { values, positionals } = readFlags(words, { 'path.settings': { type: 'string', default: 'config' } })
    const [action, ...names] = positionals
    try {
      return await new KeystoreCommand(keystorePath(values['path.settings'])).run(action, names)
    } catch (thrown) {
      if (!(thrown instanceof MillraceError)) throw thrown
      process.stderr.write(`keystore: ${thrown.message} [${thrown.code}]\n`)
      return 1
    }
  },
}

class KeystoreCommand {
  readonly #path: string
  readonly #password = keystorePassword(process.env)

  constructor(path: string) {
    this.#path = path
  }

  async run(action: string | undefined, names: readonly string[]): Promise<number> {
    const needsNames = action === 'add' || action === 'remove'
    if (needsNames !== names.length > 0) throw new UsageError(`expected ${action ?? 'an action'}${needsNames ? ' NAME' : ''}`)
    switch (action) {
      case 'create':
        return await this.#create()
      case 'list':
        return await this.#list()
      case 'add':
        return await this.#add(names)
      case 'remove':
        return await this.#remove(names)
      default:
        throw new UsageError(`expected keystore create, list, add or remove, got ${action ?? 'nothing'}`)
    }
  }

  async #create(): Promise<number> {
    if ((await Keystore.open(this.#path, this.#password)) !== undefined) {
      process.stderr.write(`keystore: ${this.#path} is there already\n`)
      return 1
    }
    await Keystore.create(this.#path, this.#password).save()
    if (this.#password === '') process.stderr.write('no MILLRACE_KEYSTORE_PASS is set: only its permissions protect the file\n')
    process.stdout.write(`made ${this.#path}\n`)
    return 0
  }

  async #list(): Promise<number> {
    const found = await Keystore.open(this.#path, this.#password)
    if (found === undefined) return this.#absent()
    process.stdout.write(found.names.map((name) => `${name}\n`).join(''))
    return 0
  }

  async #add(names: readonly string[]): Promise<number> {
    const found = (await Keystore.open(this.#path, this.#password)) ?? Keystore.create(this.#path, this.#password)
    if (!process.stdin.isTTY && names.length > 1) throw new UsageError('expected one name for the value from a pipe')
    for (const name of names) found.set(name, await readValue(name))
    await found.save()
    process.stdout.write(`kept ${names.join(', ')} in ${this.#path}\n`)
    return 0
  }

  async #remove(names: readonly string[]): Promise<number> {
    const found = await Keystore.open(this.#path, this.#password)
    if (found === undefined) return this.#absent()
    const absent = names.filter((name) => !found.remove(name))
    await found.save()
    for (const name of absent) process.stderr.write(`keystore: there is no ${name}\n`)
    return absent.length === 0 ? 0 : 1
  }

  #absent(): number {
    process.stderr.write(`keystore: there is no ${this.#path}: make one with keystore create\n`)
    return 1
  }
}

/** The value from a pipe, or asked for on the terminal without showing what is typed. */
async function readValue(name: string): Promise<string> {
  if (!process.stdin.isTTY) return (await text(process.stdin)).replace(/\r?\n$/, '')
  process.stderr.write(`value of ${name}: `)
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  const reader = createInterface({ input: process.stdin, output: silent, terminal: true })
  try {
    return await reader.question('')
  } finally {
    reader.close()
    process.stderr.write('\n')
  }
}
