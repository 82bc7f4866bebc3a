import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { serversCache } from './server-process.ts'
import type { Unavailable } from './servers.ts'

/**
 * The programs of test/tools, by name, and the module that each is built from. `fbsim` stands in for Filebeat with
 * output.logstash, `ljgen` is a load client, `ljnull` a receiver that acknowledges everything, all three on the library
 * inside Filebeat; `fbkafka` produces as Filebeat's output.kafka does; `jaeger` is Jaeger itself, which takes ten minutes to build.
 */
const GO_TOOLS: { readonly [name in 'fbsim' | 'ljgen' | 'ljnull' | 'fbkafka' | 'jaeger']: GoTool } = {
  fbsim: { folder: 'lumberjack', target: './fbsim' },
  ljgen: { folder: 'lumberjack', target: './ljgen' },
  ljnull: { folder: 'lumberjack', target: './ljnull' },
  fbkafka: { folder: 'fbkafka', target: '.' },
  jaeger: {
    folder: 'jaeger',
    target: 'github.com/jaegertracing/jaeger/cmd/all-in-one',
    flags: ['-mod=mod', '-buildvcs=false', '-trimpath', '-ldflags', '-s -w'],
    env: { CGO_ENABLED: '0' },
  },
}

interface GoTool {
  readonly folder: string
  readonly target: string
  readonly flags?: readonly string[]
  readonly env?: { readonly [name: string]: string }
}

const TOOLS_FOLDER = join(import.meta.dirname, '../tools')
const run = promisify(execFile)

const built = new Map<string, Promise<{ readonly path: string } | Unavailable>>()

/** Builds the program when it is not built yet; Go itself knows what is up to date. Unavailable where there is no Go. */
export function goTool(name: keyof typeof GO_TOOLS): Promise<{ readonly path: string } | Unavailable> {
  const building = built.get(name) ?? buildGoTool(name)
  built.set(name, building)
  return building
}

async function buildGoTool(name: keyof typeof GO_TOOLS): Promise<{ readonly path: string } | Unavailable> {
  const { folder, target, flags = [], env } = GO_TOOLS[name]
  const path = join(serversCache(), 'tools', name)
  try {
    await run('go', ['version'])
  } catch {
    return { unavailable: `${name} cannot be built: there is no go on the PATH` }
  }
  try {
    await run('go', ['build', ...flags, '-o', path, target], {
      cwd: join(TOOLS_FOLDER, folder),
      env: { ...process.env, ...env },
    })
    return { path }
  } catch (error) {
    const unavailable = `${name} cannot be built: ${String(error)}`
    if (process.env['MILLRACE_REQUIRE_SERVERS'] === '1') throw new Error(unavailable, { cause: error })
    return { unavailable }
  }
}
