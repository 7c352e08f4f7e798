/*
 * What client and server of NBD say alike: the numbers of the protocol that the benches' peers use, and words in its
 * byte order, the highest byte first.
 */
#include <endian.h>
#include <stdint.h>
#include <string.h>

enum { REQUEST_BYTES = 28, REPLY_BYTES = 16 };
enum { VERB_READ = 0, VERB_WRITE = 1 };
enum { OPTION_GO = 7, REPLY_ACK = 1, REPLY_INFO = 3 };
static const uint32_t REQUEST_MAGIC = 0x25609513, REPLY_MAGIC = 0x67446698;

static inline uint32_t get32(const unsigned char *from)
{
  uint32_t value;
  memcpy(&value, from, sizeof value);
  return be32toh(value);
}

static inline uint64_t get64(const unsigned char *from)
{
  uint64_t value;
  memcpy(&value, from, sizeof value);
  return be64toh(value);
}

static inline void put32(unsigned char *to, uint32_t value)
{
  value = htobe32(value);
  memcpy(to, &value, sizeof value);
}

static inline void put64(unsigned char *to, uint64_t value)
{
  value = htobe64(value);
  memcpy(to, &value, sizeof value);
}
