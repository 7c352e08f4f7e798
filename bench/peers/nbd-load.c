/*
 * NBD load for servers that are measured by turns. One connection to each server, as a guest's has one; a page a
 * request and a system call a request, as QEMU and the kernel's client send them.
 *
 *      nbd-load CORPUS SPAN_PAGES SOCKET...
 *
 * Works on the first SPAN_PAGES pages of each default export. Commands are lines, and so are answers; servers count
 * from 0:
 *
 *      fill SERVER PASS ORDER           writes every page, ORDER is `up` or `mixed`  -> ns
 *      slice SERVER VERB DEPTH US       `read`, `write` or `durable` at random for so long; the last is a write with FUA
 *                                       -> operations, ns, ns of server CPU, ns of latency: median and 99th percentile
 *      verify SERVER                    reads every page                             -> pages that are not as written
 *
 * What a page holds follows from its number and the pass of the last fill, so slices may overwrite in any order and
 * every read has one right answer. Slices compare one page in 64; `verify` compares all.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "nbd-wire.h"

enum {
  PAGE = 4096,
  DEPTH_MAX = 256,
  FILL_DEPTH = 16,
  SERVERS_MAX = 16,
  LATENCIES_MAX = 1 << 20,
  COMPARE_EVERY = 64,
  /* With VERB_WRITE: the flag FUA, in the byte before. */
  FUA = 1 << 8,
};

struct server {
  int socket;
  pid_t pid;
  uint64_t pass;
};

struct in_flight {
  uint64_t sent_ns;
  uint32_t page;
};

static struct server servers[SERVERS_MAX];
static struct in_flight flights[DEPTH_MAX];
static unsigned char *corpus, *received;
static uint32_t corpus_pages, span_pages, *order;
static float *latencies;
static uint64_t random_state = 88172645463325252u;

static void fail(const char *what)
{
  fprintf(stderr, "nbd-load: %s: %s\n", what, errno != 0 ? strerror(errno) : "not as it should be");
  exit(1);
}

static uint64_t now_ns(void)
{
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* xorshift64 */
static uint32_t random_below(uint32_t limit)
{
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (uint32_t)(random_state % limit);
}

static unsigned char *content(const struct server *server, uint32_t page)
{
  return corpus + (page * (uint64_t)2654435761u + server->pass * 40503) % corpus_pages * PAGE;
}

/* CPU that all threads of a process have had. */
static uint64_t cpu_ns(pid_t pid)
{
  char path[320];
  snprintf(path, sizeof path, "/proc/%d/task", pid);
  DIR *tasks = opendir(path);
  if (tasks == NULL)
    return 0;
  uint64_t sum = 0;
  for (struct dirent *task; (task = readdir(tasks)) != NULL;) {
    if (task->d_name[0] == '.')
      continue;
    snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, task->d_name);
    FILE *file = fopen(path, "r");
    if (file == NULL)
      continue;
    unsigned long long ns;
    if (fscanf(file, "%llu", &ns) == 1)
      sum += ns;
    fclose(file);
  }
  closedir(tasks);
  return sum;
}

static void receive(int socket, void *to, size_t bytes)
{
  for (size_t done = 0; done < bytes;) {
    ssize_t got = read(socket, (char *)to + done, bytes - done);
    if (got <= 0)
      fail("a server closed its connection");
    done += (size_t)got;
  }
}

static void transmit(int socket, struct iovec *parts, int count)
{
  while (count > 0) {
    ssize_t sent = writev(socket, parts, count);
    if (sent < 0)
      fail("a request cannot be sent");
    for (; count > 0 && (size_t)sent >= parts->iov_len; parts++, count--)
      sent -= (ssize_t)parts->iov_len;
    if (count > 0) {
      parts->iov_base = (char *)parts->iov_base + sent;
      parts->iov_len -= (size_t)sent;
    }
  }
}

/* Asks for the default export, without structured replies: what the kernel's client does. */
static void negotiate(int socket)
{
  unsigned char bytes[4096];
  receive(socket, bytes, 18);
  put32(bytes, 3);
  memcpy(bytes + 4, "IHAVEOPT", 8);
  put32(bytes + 12, OPTION_GO);
  put32(bytes + 16, 6);
  memset(bytes + 20, 0, 6);
  struct iovec part = {bytes, 26};
  transmit(socket, &part, 1);
  for (uint32_t kind = 0; kind != REPLY_ACK;) {
    receive(socket, bytes, 20);
    kind = get32(bytes + 12);
    uint32_t length = get32(bytes + 16);
    if (kind >> 31 || length > sizeof bytes)
      fail("the default export is refused");
    receive(socket, bytes, length);
  }
}

static void open_server(struct server *server, const char *path)
{
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  struct ucred peer;
  socklen_t length = sizeof peer;
  if (strlen(path) >= sizeof address.sun_path)
    fail("path of a socket is too long");
  strcpy(address.sun_path, path);
  server->socket = socket(AF_UNIX, SOCK_STREAM, 0);
  if (server->socket < 0 || connect(server->socket, (struct sockaddr *)&address, sizeof address) != 0)
    fail(path);
  if (getsockopt(server->socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0)
    fail("SO_PEERCRED");
  server->pid = peer.pid;
  negotiate(server->socket);
}

static int verb_of(const char *word)
{
  if (strcmp(word, "durable") == 0)
    return VERB_WRITE | FUA;
  return strcmp(word, "write") == 0 ? VERB_WRITE : VERB_READ;
}

static void request(struct server *server, int verb, uint32_t slot, uint32_t page)
{
  unsigned char header[REQUEST_BYTES] = {0};
  put32(header, REQUEST_MAGIC);
  header[5] = (unsigned char)(verb >> 8);
  header[7] = (unsigned char)verb;
  put64(header + 8, slot);
  put64(header + 16, (uint64_t)page * PAGE);
  put32(header + 24, PAGE);
  struct iovec parts[2] = {{header, sizeof header}, {content(server, page), PAGE}};
  flights[slot].page = page;
  flights[slot].sent_ns = now_ns();
  transmit(server->socket, parts, (verb & ~FUA) == VERB_WRITE ? 2 : 1);
}

/* Checks the reply's header. Returns its slot. */
static uint32_t slot_of(const unsigned char *reply)
{
  errno = 0;
  if (get32(reply) != REPLY_MAGIC || get32(reply + 4) != 0)
    fail("a reply");
  uint32_t slot = get32(reply + 12);
  if (slot >= DEPTH_MAX)
    fail("a reply's cookie");
  return slot;
}

static int same(const struct server *server, uint32_t page, const unsigned char *bytes)
{
  return memcmp(content(server, page), bytes, PAGE) == 0;
}

static int by_value(const void *a, const void *b)
{
  float left = *(const float *)a, right = *(const float *)b;
  return (left > right) - (left < right);
}

static void fill(struct server *server, uint64_t pass, int mixed)
{
  uint64_t start = now_ns();
  unsigned char reply[REPLY_BYTES];
  server->pass = pass;
  for (uint32_t i = 0; i < span_pages; i++)
    order[i] = i;
  for (uint32_t i = span_pages - 1; mixed && i > 0; i--) {
    uint32_t j = random_below(i + 1), page = order[i];
    order[i] = order[j];
    order[j] = page;
  }
  for (uint32_t sent = 0, answered = 0; answered < span_pages; answered++) {
    for (; sent < span_pages && sent - answered < FILL_DEPTH; sent++)
      request(server, VERB_WRITE, sent % FILL_DEPTH, order[sent]);
    receive(server->socket, reply, sizeof reply);
    slot_of(reply);
  }
  printf("%llu\n", (unsigned long long)(now_ns() - start));
}

static void slice(struct server *server, int verb, uint32_t depth, uint64_t us)
{
  size_t reply_bytes = REPLY_BYTES + (verb == VERB_READ ? PAGE : 0), held = 0;
  uint64_t operations = 0, start_cpu = cpu_ns(server->pid), start = now_ns(), end = start + us * 1000;
  uint32_t outstanding = depth;
  for (uint32_t slot = 0; slot < depth; slot++)
    request(server, verb, slot, random_below(span_pages));
  while (outstanding > 0) {
    ssize_t got = read(server->socket, received + held, DEPTH_MAX * (REPLY_BYTES + PAGE) - held);
    if (got <= 0)
      fail("a server closed its connection");
    held += (size_t)got;
    uint64_t now = now_ns();
    size_t at = 0;
    for (; held - at >= reply_bytes; at += reply_bytes) {
      uint32_t slot = slot_of(received + at);
      if (operations < LATENCIES_MAX)
        latencies[operations] = (float)(now - flights[slot].sent_ns);
      int compared = verb == VERB_READ && operations % COMPARE_EVERY == 0;
      if (compared && !same(server, flights[slot].page, received + at + REPLY_BYTES))
        fail("a page that was read");
      operations++;
      if (now < end)
        request(server, verb, slot, random_below(span_pages));
      else
        outstanding--;
    }
    memmove(received, received + at, held - at);
    held -= at;
  }
  uint64_t ns = now_ns() - start, cpu = cpu_ns(server->pid) - start_cpu;
  size_t count = operations < LATENCIES_MAX ? operations : LATENCIES_MAX;
  qsort(latencies, count, sizeof *latencies, by_value);
  printf("%llu %llu %llu %.0f %.0f\n", (unsigned long long)operations, (unsigned long long)ns,
         (unsigned long long)cpu, (double)latencies[count / 2], (double)latencies[count * 99 / 100]);
}

static void verify(struct server *server)
{
  uint32_t wrong = 0;
  for (uint32_t page = 0; page < span_pages; page++) {
    request(server, VERB_READ, 0, page);
    receive(server->socket, received, REPLY_BYTES + PAGE);
    slot_of(received);
    wrong += !same(server, page, received + REPLY_BYTES);
  }
  printf("%u\n", wrong);
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
  if (count < 4 || count - 3 > SERVERS_MAX)
    fail("usage: nbd-load CORPUS SPAN_PAGES SOCKET...");
  load_corpus(arguments[1]);
  span_pages = (uint32_t)strtoul(arguments[2], NULL, 10);
  order = malloc(span_pages * sizeof *order);
  latencies = malloc(LATENCIES_MAX * sizeof *latencies);
  received = malloc(DEPTH_MAX * (REPLY_BYTES + PAGE));
  if (span_pages == 0 || order == NULL || latencies == NULL || received == NULL)
    fail("memory");
  for (int i = 3; i < count; i++)
    open_server(&servers[i - 3], arguments[i]);

  char line[128], word[16];
  unsigned server, depth;
  unsigned long long number;
  while (fgets(line, sizeof line, stdin) != NULL) {
    if (sscanf(line, "fill %u %llu %15s", &server, &number, word) == 3 && server < SERVERS_MAX)
      fill(&servers[server], number, strcmp(word, "mixed") == 0);
    else if (sscanf(line, "slice %u %15s %u %llu", &server, word, &depth, &number) == 4 && server < SERVERS_MAX &&
             depth <= DEPTH_MAX)
      slice(&servers[server], verb_of(word), depth, number);
    else if (sscanf(line, "verify %u", &server) == 1 && server < SERVERS_MAX)
      verify(&servers[server]);
    else
      fail("command");
    fflush(stdout);
  }
  return 0;
}
