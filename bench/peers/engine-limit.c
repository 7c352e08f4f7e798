/*
 * What a page store costs in C, with nothing but the work itself: same codec (liblz4), a checksum per page (CRC-32C by
 * instruction), an index, a copy into memory that is mapped from a file. No log, so no cleaning; no crash safety.
 *
 *      engine-limit CORPUS FILE PAGES...        a store of PAGES pages each, with arena FILE.0, FILE.1, ...
 *
 * Commands are lines, and so are answers; stores count from 0:
 *
 *      fill STORE            puts every page once
 *      put STORE COUNT       overwrites pages at random      -> ns
 *      get STORE COUNT       reads pages at random           -> ns
 *
 * Records are kept in slots of their size, rounded up to 64 bytes, and freed slots are used again: so the arena is as
 * large as its pages, and no put waits for fresh memory.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <lz4.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum {
  PAGE = 4096,
  /* As ours: a block above this is kept raw. */
  BLOCK_MAX = 3072,
  HEADER = 32,
  UNIT = 64,
  CLASSES = (HEADER + PAGE) / UNIT + 2,
  STORES_MAX = 8,
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
  uint32_t pages, mask, sequence;
  struct entry *entries;
  unsigned char *arena;
  uint64_t end, free[CLASSES];
};

static struct store stores[STORES_MAX];
static unsigned char *corpus;
static uint32_t corpus_pages;
static uint64_t random_state = 88172645463325252u;
static char lz4_state[1 << 15] __attribute__((aligned(8)));

static void fail(const char *what)
{
  fprintf(stderr, "engine-limit: %s: %s\n", what, errno != 0 ? strerror(errno) : "not as it should be");
  exit(1);
}

static uint64_t now_ns(void)
{
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static uint32_t random_below(uint32_t limit)
{
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (uint32_t)(random_state % limit);
}

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

static void put(struct store *store, uint32_t page)
{
  static unsigned char bytes[PAGE], record[HEADER + PAGE];
  memcpy(bytes, corpus + (page * (uint64_t)2654435761u + store->sequence++) % corpus_pages * PAGE, PAGE);
  struct header header = {.page = page};
  if (same_filled(bytes)) {
    memcpy(&header.hash, bytes, 8);
  } else {
    header.hash = hash_of(bytes);
    header.bytes = (uint32_t)LZ4_compress_fast_extState(lz4_state, (char *)bytes, (char *)record + HEADER, PAGE, BLOCK_MAX, 1);
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

static void get(struct store *store, uint32_t page)
{
  static unsigned char bytes[PAGE];
  const struct entry *entry = entry_of(store, page);
  const unsigned char *record = store->arena + entry->at;
  struct header header;
  memcpy(&header, record, HEADER);
  if (entry->key == 0 || header.page != page)
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

static void load_corpus(const char *path)
{
  FILE *file = fopen(path, "rb");
  if (file == NULL || fseek(file, 0, SEEK_END) != 0)
    fail(path);
  corpus_pages = (uint32_t)(ftell(file) / PAGE);
  corpus = malloc((size_t)corpus_pages * PAGE);
  rewind(file);
  if (corpus_pages == 0 || corpus == NULL || fread(corpus, PAGE, corpus_pages, file) != corpus_pages)
    fail(path);
  fclose(file);
}

static void open_store(struct store *store, const char *base, int number, uint32_t pages)
{
  char path[512];
  snprintf(path, sizeof path, "%s.%d", base, number);
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

int main(int count, char **arguments)
{
  if (count < 4 || count - 3 > STORES_MAX || LZ4_sizeofState() > (int)sizeof lz4_state)
    fail("usage: engine-limit CORPUS FILE PAGES...");
  load_corpus(arguments[1]);
  for (int i = 3; i < count; i++)
    open_store(&stores[i - 3], arguments[2], i - 3, (uint32_t)strtoul(arguments[i], NULL, 10));

  char line[128];
  unsigned number, times;
  while (fgets(line, sizeof line, stdin) != NULL) {
    struct store *store = stores;
    uint64_t start = now_ns();
    if (sscanf(line, "fill %u", &number) == 1 && number < STORES_MAX) {
      store += number;
      for (uint32_t page = 0; page < store->pages; page++)
        put(store, page);
    } else if (sscanf(line, "put %u %u", &number, &times) == 2 && number < STORES_MAX) {
      store += number;
      for (; times > 0; times--)
        put(store, random_below(store->pages));
    } else if (sscanf(line, "get %u %u", &number, &times) == 2 && number < STORES_MAX) {
      store += number;
      for (; times > 0; times--)
        get(store, random_below(store->pages));
    } else {
      fail("command");
    }
    printf("%llu\n", (unsigned long long)(now_ns() - start));
    fflush(stdout);
  }
  return 0;
}
