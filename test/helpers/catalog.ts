import { loadCatalog } from '../../src/components.ts'

/** Every component of the program. */
export const catalog = await loadCatalog()
