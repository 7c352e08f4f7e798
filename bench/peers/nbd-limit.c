/*
 * What a swap disk costs in C that compresses and checks its pages: the work of `page-store-limit.h` behind the NBD
 * of `nbd-load.c`, on one thread that sleeps in read(2) and answers all that it has read with one write(2).
 *
 *      nbd-limit SOCKET FILE BYTES        a disk of BYTES, with arena FILE; one client at a time
 *
 * No log and no crash safety, no other client to be fair to, no request but whole pages: what ours may come near to.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "nbd-wire.h"
#include "page-store-limit.h"

enum {
  INPUT_BYTES = 1 << 20,
  /* Every request that fits the input, answered with a page. */
  OUTPUT_BYTES = (INPUT_BYTES / REQUEST_BYTES + 1) * (REPLY_BYTES + PAGE),
};
/* Fixed newstyle, no zeros; has flags. */
enum { HANDSHAKE_FLAGS = 3, EXPORT_FLAGS = 1 };
static const uint64_t OPTION_REPLY_MAGIC = 0x3e889045565a9;

static struct store store;
static unsigned char *input, *output;

static void fail(const char *what)
{
  fprintf(stderr, "nbd-limit: %s: %s\n", what, errno != 0 ? strerror(errno) : "not as it should be");
  exit(1);
}

/* Returns whether the client is still there. */
static int receive(int client, void *to, size_t bytes)
{
  for (size_t done = 0; done < bytes;) {
    ssize_t got = read(client, (char *)to + done, bytes - done);
    if (got <= 0)
      return 0;
    done += (size_t)got;
  }
  return 1;
}

static int transmit(int client, const unsigned char *from, size_t bytes)
{
  for (size_t done = 0; done < bytes;) {
    ssize_t sent = send(client, from + done, bytes - done, MSG_NOSIGNAL);
    if (sent <= 0)
      return 0;
    done += (size_t)sent;
  }
  return 1;
}

static size_t option_reply(unsigned char *to, uint32_t option, uint32_t kind, uint32_t bytes)
{
  put64(to, OPTION_REPLY_MAGIC);
  put32(to + 8, option);
  put32(to + 12, kind);
  put32(to + 16, bytes);
  return 20;
}

/* Takes NBD_OPT_GO, whatever export it names. */
static int negotiate(int client)
{
  memcpy(output, "NBDMAGICIHAVEOPT", 16);
  output[16] = 0;
  output[17] = HANDSHAKE_FLAGS;
  if (!transmit(client, output, 18) || !receive(client, input, 4 + 16))
    return 0;
  uint32_t option = get32(input + 12), bytes = get32(input + 16);
  if (option != OPTION_GO || bytes > INPUT_BYTES || !receive(client, input, bytes))
    return 0;
  size_t at = option_reply(output, option, REPLY_INFO, 12);
  memset(output + at, 0, 2);
  put64(output + at + 2, (uint64_t)store.pages * PAGE);
  output[at + 10] = 0;
  output[at + 11] = EXPORT_FLAGS;
  at += 12;
  at += option_reply(output + at, option, REPLY_ACK, 0);
  return transmit(client, output, at);
}

static void serve(int client)
{
  size_t held = 0;
  if (!negotiate(client))
    return;
  for (;;) {
    ssize_t got = read(client, input + held, INPUT_BYTES - held);
    if (got <= 0)
      return;
    held += (size_t)got;
    size_t at = 0, out = 0;
    while (held - at >= REQUEST_BYTES) {
      const unsigned char *request = input + at;
      int verb = request[7];
      uint64_t offset = get64(request + 16);
      if (get32(request) != REQUEST_MAGIC || verb > VERB_WRITE || get32(request + 24) != PAGE || offset % PAGE != 0 ||
          offset / PAGE >= store.pages)
        return;
      if (verb == VERB_WRITE && held - at < REQUEST_BYTES + PAGE)
        break;
      put32(output + out, REPLY_MAGIC);
      put32(output + out + 4, 0);
      memcpy(output + out + 8, request + 8, 8);
      out += REPLY_BYTES;
      at += REQUEST_BYTES;
      if (verb == VERB_WRITE) {
        store_put(&store, (uint32_t)(offset / PAGE), input + at);
        at += PAGE;
      } else {
        store_get(&store, (uint32_t)(offset / PAGE), output + out);
        out += PAGE;
      }
    }
    memmove(input, input + at, held - at);
    held -= at;
    if (out > 0 && !transmit(client, output, out))
      return;
  }
}

int main(int count, char **arguments)
{
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (count != 4 || strlen(arguments[1]) >= sizeof address.sun_path)
    fail("usage: nbd-limit SOCKET FILE BYTES");
  store_open(&store, arguments[2], (uint32_t)(strtoull(arguments[3], NULL, 10) / PAGE));
  input = malloc(INPUT_BYTES);
  output = malloc(OUTPUT_BYTES);
  strcpy(address.sun_path, arguments[1]);
  int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  if (input == NULL || output == NULL || listener < 0)
    fail("memory");
  if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 1) != 0)
    fail(arguments[1]);
  for (;;) {
    int client = accept(listener, NULL, NULL);
    if (client < 0)
      fail("accept");
    serve(client);
    close(client);
  }
}
