import { PAGE_BYTES } from './bytes';

/**
 * Whether the page repeats its first 64-bit word: then the word is all there is to store. Most pages are told apart
 * by their first and last word alone.
 */
export function sameFilled(page: usize): i32 {
  const word = load<u64>(page);
  if (load<u64>(page, PAGE_BYTES - 8) != word) return 0;
  const words = i64x2.splat(word);
  const end = page + PAGE_BYTES;
  for (let at = page; at < end; at += 64) {
    const a = v128.or(v128.xor(v128.load(at), words), v128.xor(v128.load(at, 16), words));
    const b = v128.or(v128.xor(v128.load(at, 32), words), v128.xor(v128.load(at, 48), words));
    if (v128.any_true(v128.or(a, b))) return 0;
  }
  return 1;
}

/** The page that {@link sameFilled} recognised. */
export function fillPage(page: usize, word: u64): void {
  const words = i64x2.splat(word);
  const end = page + PAGE_BYTES;
  for (let at = page; at < end; at += 64) {
    v128.store(at, words);
    v128.store(at, words, 16);
    v128.store(at, words, 32);
    v128.store(at, words, 48);
  }
}
