/*
 * liblz4, as a peer of the kernel's page codec: over pipes, so that it runs by turns with ours in one test or bench.
 * Pages are 4096 bytes, numbers 32-bit little-endian, commands one byte:
 *
 *      'L' count, pages           takes the pages to work on
 *      'C'                        compresses each           -> nanoseconds, u64; bytes of all blocks, u64
 *      'D'                        decompresses each block   -> nanoseconds, u64; pages that came back, u64
 *      'B'                        -> of each page: bytes, block
 *      'V' bytes, block           -> 1 and the page, or 0 where the block is refused
 *
 * Compression is LZ4_compress_fast with acceleration 1, what LZ4_compress_default is.
 */
#include <lz4.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PAGE = 4096, BLOCK_MAX = LZ4_COMPRESSBOUND(PAGE) };

static uint32_t count;
static char *pages, *blocks;
static int *block_bytes;

static void get(void *to, size_t bytes)
{
  if (bytes != 0 && fread(to, bytes, 1, stdin) != 1)
    exit(feof(stdin) ? 0 : 1);
}

static void put(const void *from, size_t bytes)
{
  if (bytes != 0 && fwrite(from, bytes, 1, stdout) != 1)
    exit(1);
}

static uint64_t now(void)
{
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void load(void)
{
  get(&count, sizeof count);
  free(pages);
  free(blocks);
  free(block_bytes);
  pages = malloc((size_t)count * PAGE + 1);
  blocks = malloc((size_t)count * BLOCK_MAX + 1);
  block_bytes = calloc((size_t)count + 1, sizeof *block_bytes);
  if (pages == NULL || blocks == NULL || block_bytes == NULL)
    exit(1);
  get(pages, (size_t)count * PAGE);
}

static void compress(void)
{
  uint64_t start = now(), answer[2] = {0, 0};
  for (uint32_t i = 0; i < count; i++) {
    block_bytes[i] = LZ4_compress_fast(pages + (size_t)i * PAGE, blocks + (size_t)i * BLOCK_MAX, PAGE, BLOCK_MAX, 1);
    answer[1] += (uint64_t)block_bytes[i];
  }
  answer[0] = now() - start;
  put(answer, sizeof answer);
}

static void decompress(void)
{
  static char page[PAGE];
  uint64_t start = now(), answer[2] = {0, 0};
  for (uint32_t i = 0; i < count; i++)
    answer[1] += LZ4_decompress_safe(blocks + (size_t)i * BLOCK_MAX, page, block_bytes[i], PAGE) == PAGE;
  answer[0] = now() - start;
  put(answer, sizeof answer);
}

static void put_blocks(void)
{
  for (uint32_t i = 0; i < count; i++) {
    uint32_t bytes = (uint32_t)block_bytes[i];
    put(&bytes, sizeof bytes);
    put(blocks + (size_t)i * BLOCK_MAX, bytes);
  }
}

static void verify(void)
{
  static char block[BLOCK_MAX], page[PAGE];
  uint32_t bytes;
  get(&bytes, sizeof bytes);
  if (bytes > sizeof block)
    exit(1);
  get(block, bytes);
  char done = LZ4_decompress_safe(block, page, (int)bytes, PAGE) == PAGE;
  put(&done, 1);
  if (done)
    put(page, PAGE);
}

int main(void)
{
  for (;;) {
    char command;
    get(&command, 1);
    switch (command) {
    case 'L': load(); break;
    case 'C': compress(); break;
    case 'D': decompress(); break;
    case 'B': put_blocks(); break;
    case 'V': verify(); break;
    default: return 1;
    }
    fflush(stdout);
  }
}
