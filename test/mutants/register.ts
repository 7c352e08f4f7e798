/** Loaded before a test: has one module loaded with a line of it broken. `TMEM_MUTANT` is the mutant's place in the list. */
import { register } from 'node:module';

register('./loader.js', import.meta.url);
