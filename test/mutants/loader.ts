/** The hook that node calls for each module: breaks the one that the mutant is about. */
import type { LoadHook } from 'node:module';
import { MUTANTS } from './mutants.js';

const mutant = MUTANTS[Number(process.env['TMEM_MUTANT'])];

export const load: LoadHook = async (url, context, nextLoad) => {
  const loaded = await nextLoad(url, context);
  if (mutant === undefined || !url.endsWith(`/dist/${mutant.source}.js`)) return loaded;
  if (!(loaded.source instanceof Uint8Array)) throw new Error('a module of ours is read as bytes');
  const text = new TextDecoder().decode(loaded.source);
  const [, ...others] = text.split(findOf(mutant.find));
  if (others.length !== 1) throw new Error(`${mutant.find} stands ${others.length} times in ${mutant.source}`);
  return { ...loaded, source: text.replace(findOf(mutant.find), () => mutant.replace) };
};

/** White space is the compiler's. */
function findOf(text: string): RegExp {
  return new RegExp(text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`).replaceAll(/\s+/g, String.raw`\s+`));
}
