/**
 * `damaged`: the page was stored, and what is there now is not it. It is counted, and never handed out. `elsewhere`: it is
 * in the spill file of its pool: see `Engine.spilling`.
 */
export const GetOutcome = { hit: 0, miss: 1, damaged: 2, elsewhere: 3 } as const;
export type GetOutcome = (typeof GetOutcome)[keyof typeof GetOutcome];
