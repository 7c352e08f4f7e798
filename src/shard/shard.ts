/** Composition of one shard: files, engine, pools, hooks and servers. */
import { TmemError } from '../base/errors.js';
import type { OpenShard } from './serve-shard.js';

export const openShard: OpenShard = () =>
  Promise.reject(new TmemError('E_INTERNAL', 'the page store is not part of this build'));
