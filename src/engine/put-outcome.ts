/** `over`: more than the pool may grow by. `full`: no room in the arena. */
export const PutOutcome = { stored: 0, over: 1, full: 2 } as const;
export type PutOutcome = (typeof PutOutcome)[keyof typeof PutOutcome];
