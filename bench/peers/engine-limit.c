/*
 * What a page store costs in C: the work of `page-store-limit.h`, called from a loop.
 *
 *      engine-limit CORPUS FILE PAGES...        a store of PAGES pages each, with arena FILE.0, FILE.1, ...
 *
 * Commands are lines, and so are answers; stores count from 0:
 *
 *      fill STORE            puts every page once
 *      put STORE COUNT       overwrites pages at random      -> ns
 *      get STORE COUNT       reads pages at random           -> ns
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "page-store-limit.h"

enum { STORES_MAX = 8 };

static struct store stores[STORES_MAX];
static unsigned char *corpus;
static uint32_t corpus_pages, sequence;
static uint64_t random_state = 88172645463325252u;

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

static void put(struct store *store, uint32_t page)
{
  static unsigned char bytes[PAGE];
  memcpy(bytes, corpus + (page * (uint64_t)2654435761u + sequence++) % corpus_pages * PAGE, PAGE);
  store_put(store, page, bytes);
}

static void get(struct store *store, uint32_t page)
{
  static unsigned char bytes[PAGE];
  store_get(store, page, bytes);
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

int main(int count, char **arguments)
{
  if (count < 4 || count - 3 > STORES_MAX)
    fail("usage: engine-limit CORPUS FILE PAGES...");
  load_corpus(arguments[1]);
  for (int i = 3; i < count; i++) {
    char path[512];
    snprintf(path, sizeof path, "%s.%d", arguments[2], i - 3);
    store_open(&stores[i - 3], path, (uint32_t)strtoul(arguments[i], NULL, 10));
  }

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
