import { readdir, readFile, realpath } from 'node:fs/promises'
import { homedir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'

export interface Java {
  /** What JAVA_HOME would hold. */
  readonly home: string
  readonly major: number
}

/** Where packages, installers and version managers put a Java; each folder inside may be one. */
const JAVA_PARENTS = [
  '/usr/lib/jvm',
  '/opt',
  '/Library/Java/JavaVirtualMachines',
  join(homedir(), '.jdks'),
  join(homedir(), '.sdkman/candidates/java'),
]

/** The oldest full JDK of this machine that is new enough, for a test server is most at home on the Java it was made for. */
export async function findJava(lowest: number): Promise<Java | undefined> {
  const found = await installedJavas()
  return found.filter((java) => java.major >= lowest).sort((a, b) => a.major - b.major)[0]
}

let known: Promise<readonly Java[]> | undefined

function installedJavas(): Promise<readonly Java[]> {
  known ??= readInstalledJavas()
  return known
}

async function readInstalledJavas(): Promise<readonly Java[]> {
  const homes = new Set<string>()
  if (process.env['JAVA_HOME'] !== undefined) homes.add(process.env['JAVA_HOME'])
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const program = await realpath(join(folder, 'java')).catch(() => undefined)
    if (program !== undefined) homes.add(dirname(dirname(program)))
  }
  for (const parent of JAVA_PARENTS) {
    const names = await readdir(parent).catch(() => [])
    for (const name of names) homes.add(join(parent, name)).add(join(parent, name, 'Contents/Home'))
  }
  const javas: Java[] = []
  for (const home of homes) {
    const java = await readJava(home)
    if (java !== undefined) javas.push(java)
  }
  return javas
}

/** A JDK describes itself in its `release` file: `JAVA_VERSION="17.0.15"` and the modules it holds. */
async function readJava(home: string): Promise<Java | undefined> {
  const release = await readFile(join(home, 'release'), 'utf8').catch(() => '')
  const major = /^JAVA_VERSION="(\d+)/m.exec(release)?.[1]
  // Elasticsearch 9 refuses a runtime without jdk.jlink, and the extra plugin needs the compiler.
  const isFullJdk = release.includes('jdk.jlink') && release.includes('jdk.compiler')
  return major === undefined || !isFullJdk ? undefined : { home, major: Number(major) }
}
