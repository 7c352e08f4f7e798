import * as fc from 'fast-check';
import { PAGE_SHAPES, type PageShape } from './synthetic-page.js';

/** What makes a page of any kind, for `syntheticPage`: a property that fails prints this and not 4096 bytes. */
export const anyPage: fc.Arbitrary<{ shape: PageShape; seed: number }> = fc.record({
  shape: fc.constantFrom(...PAGE_SHAPES),
  seed: fc.nat(),
});
