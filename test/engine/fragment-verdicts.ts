/** Endings whose fixtures are in fragment-road.test.ts and reassembly.test.ts. */
export const fragmentVerdicts: readonly string[] = ['fragmented']
