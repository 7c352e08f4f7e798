/**
 * What a log says of contents, once all of it is read. Contents that no page is any more are gone, as they were before the
 * last life ended; of the others it is known what they take, and so what the pages that are them are charged.
 */
import { contentOfWord, isShared, storedBytesOf } from './page-entry.js';
import { INDEX_END, type StoreIndex } from './store-index.js';

/** O(pages), if any is shared. @param missing - called with the location of a mark whose content is not there */
export function settleContents(index: StoreIndex, missing: (location: number) => void): void {
  const { contents } = index;
  for (const object of index.objects.values()) {
    if (!object.pool.isContents) continue;
    for (let content = object.table.nextPresent(0, INDEX_END); content < INDEX_END;) {
      if (contents.isNamed(content, object)) {
        contents.recovered(content, object, storedBytesOf(index.slab.word(object.table.find(content))));
      } else index.drop(object, content);
      content = object.table.nextPresent(content + 1, INDEX_END);
    }
  }
  contents.endRecovery();
  for (const object of index.objects.values()) {
    if (object.pool.sharedPages === 0) continue;
    for (let page = object.table.nextPresent(0, INDEX_END); page < INDEX_END;) {
      const cell = object.table.find(page);
      const word = index.slab.word(cell);
      if (isShared(word)) {
        const bytes = contents.bytesOf(contentOfWord(word));
        if (bytes === 0) missing(index.slab.location(cell));
        object.pool.storedBytes += bytes;
      }
      page = object.table.nextPresent(page + 1, INDEX_END);
    }
  }
}
