import { readFile } from 'node:fs/promises'

/** Names and addresses of files such as /etc/hosts: the first line that knows something counts. */
export class Hosts {
  readonly #addresses = new Map<string, string>()
  readonly #names = new Map<string, string>()

  /** @throws where a file cannot be read */
  static async read(paths: readonly string[]): Promise<Hosts> {
    const hosts = new Hosts()
    for (const path of paths) hosts.#add(await readFile(path, 'utf8'))
    return hosts
  }

  #add(text: string): void {
    for (const line of text.split('\n')) {
      const [address, ...names] = line.replace(/#.*/, '').trim().split(/\s+/)
      const [first] = names
      if (address === undefined || first === undefined) continue
      if (!this.#names.has(address)) this.#names.set(address, first)
      for (const name of names) if (!this.#addresses.has(name)) this.#addresses.set(name, address)
    }
  }

  addressOf(name: string): string | undefined {
    return this.#addresses.get(name)
  }

  nameOf(address: string): string | undefined {
    return this.#names.get(address)
  }
}
