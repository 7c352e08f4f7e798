/** An arena verified offline: composition of files, engine and pools for reading alone. */
import type { CheckArena } from '../base/arena-check.js';
import { TmemError } from '../base/errors.js';

export const checkArena: CheckArena = () => {
  throw new TmemError('E_INTERNAL', 'the page store is not part of this build');
};
