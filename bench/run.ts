// npm run bench: every claim, each in the same run as what it is compared with.
import { benchCore } from './core.ts'

const core = await benchCore()
console.info(core)
