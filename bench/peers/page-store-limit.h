/*
 * A page store with nothing but the work itself: same codec as ours (liblz4), a checksum per page (CRC-32C by
 * instruction), an index, a copy into memory that is mapped from a file. No log, so no cleaning; no crash safety.
 *
 * Records are kept in slots of their size, rounded up to 64 bytes, and freed slots are used again: so the arena is as
 * large as its pages, and no put waits for fresh memory. For one thread.
 */
#include <fcntl.h>
#include <lz4.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
  PAGE = 4096,
  /* As ours: a block above this is kept raw. */
  BLOCK_MAX = 3072,
  HEADER = 32,
  UNIT = 64,
  CLASSES = (HEADER + PAGE) / UNIT + 2,
};

struct header {
  uint64_t hash;
  uint32_t page, bytes;
  uint64_t next_free;
  uint64_t pad;
};

struct entry {
  /* Page number and one; 0 is an empty entry. */
  uint32_t key, bytes;
  uint64_t at;
};

struct store {
  uint32_t pages, mask;
  struct entry *entries;
  unsigned char *arena;
  uint64_t end, free[CLASSES];
};

/* Says why and ends the program. */
static void fail(const char *what);

static char lz4_state[1 << 15] __attribute__((aligned(8)));

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint64_t hash_of(const unsigned char *page)
{
  uint64_t crc = 0xffffffff, word;
  for (int at = 0; at < PAGE; at += 8) {
    memcpy(&word, page + at, 8);
    crc = __builtin_ia32_crc32di(crc, word);
  }
  return crc;
}
#else
static uint64_t hash_of(const unsigned char *page)
{
  uint64_t hash = 0, word;
  for (int at = 0; at < PAGE; at += 8) {
    memcpy(&word, page + at, 8);
    hash = (hash ^ word) * 0x9e3779b97f4a7c15;
  }
  return hash;
}
#endif

static struct entry *entry_of(struct store *store, uint32_t page)
{
  uint64_t spread = (page + 1) * (uint64_t)0x9e3779b97f4a7c15;
  for (uint32_t at = (uint32_t)(spread >> 32);; at++) {
    struct entry *entry = &store->entries[at & store->mask];
    if (entry->key == page + 1 || entry->key == 0)
      return entry;
  }
}

static uint32_t class_of(uint32_t payload) { return (HEADER + payload + UNIT - 1) / UNIT; }

static void release(struct store *store, const struct entry *entry)
{
  uint32_t class = class_of(entry->bytes);
  struct header *header = (struct header *)(store->arena + entry->at);
  header->next_free = store->free[class];
  store->free[class] = entry->at;
}

static uint64_t reserve(struct store *store, uint32_t class)
{
  uint64_t at = store->free[class];
  if (at != 0) {
    store->free[class] = ((struct header *)(store->arena + at))->next_free;
    return at;
  }
  at = store->end;
  store->end += (uint64_t)class * UNIT;
  return at;
}

static int same_filled(const unsigned char *page)
{
  uint64_t first, last;
  memcpy(&first, page, 8);
  memcpy(&last, page + PAGE - 8, 8);
  return first == last && memcmp(page, page + 8, PAGE - 8) == 0;
}

static void store_put(struct store *store, uint32_t page, const unsigned char *bytes)
{
  static unsigned char record[HEADER + PAGE];
  struct header header = {.page = page};
  if (same_filled(bytes)) {
    memcpy(&header.hash, bytes, 8);
  } else {
    header.hash = hash_of(bytes);
    header.bytes = (uint32_t)LZ4_compress_fast_extState(lz4_state, (const char *)bytes, (char *)record + HEADER, PAGE, BLOCK_MAX, 1);
    if (header.bytes == 0) {
      header.bytes = PAGE;
      memcpy(record + HEADER, bytes, PAGE);
    }
  }
  memcpy(record, &header, HEADER);
  struct entry *entry = entry_of(store, page);
  if (entry->key != 0)
    release(store, entry);
  entry->key = page + 1;
  entry->bytes = header.bytes;
  entry->at = reserve(store, class_of(header.bytes));
  memcpy(store->arena + entry->at, record, HEADER + header.bytes);
}

/* A page that was never put is zeros. */
static void store_get(struct store *store, uint32_t page, unsigned char *bytes)
{
  const struct entry *entry = entry_of(store, page);
  if (entry->key == 0) {
    memset(bytes, 0, PAGE);
    return;
  }
  const unsigned char *record = store->arena + entry->at;
  struct header header;
  memcpy(&header, record, HEADER);
  if (header.page != page)
    fail("a record");
  if (header.bytes == 0) {
    for (int at = 0; at < PAGE; at += 8)
      memcpy(bytes + at, &header.hash, 8);
    return;
  }
  if (header.bytes == PAGE)
    memcpy(bytes, record + HEADER, PAGE);
  else if (LZ4_decompress_safe((const char *)record + HEADER, (char *)bytes, (int)header.bytes, PAGE) != PAGE)
    fail("a block");
  if (hash_of(bytes) != header.hash)
    fail("a page");
}

/* An empty store for so many pages, with a new file at `path` as its arena. */
static void store_open(struct store *store, const char *path, uint32_t pages)
{
  if (LZ4_sizeofState() > (int)sizeof lz4_state)
    fail("room for the codec");
  size_t bytes = ((size_t)pages + 4096) * (HEADER + PAGE + UNIT);
  uint32_t entries = 1;
  while (entries < pages + pages / 2)
    entries *= 2;
  store->pages = pages;
  store->mask = entries - 1;
  store->entries = calloc(entries, sizeof *store->entries);
  /* Place 0 is "no free slot". */
  store->end = UNIT;
  int file = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
  if (file < 0 || ftruncate(file, (off_t)bytes) != 0 || store->entries == NULL)
    fail(path);
  store->arena = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  /* Lives as long as the mapping. */
  unlink(path);
  close(file);
  if (store->arena == MAP_FAILED)
    fail("mmap");
}
