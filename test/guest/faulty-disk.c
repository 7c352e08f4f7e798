/*
 * A disk that is slow, hangs, fails or has no more room, under files whose names end in ".spill". Loaded before the C
 * library (LD_PRELOAD) it stands in the way of the system calls themselves, so that whoever makes one waits in it as on
 * a real disk, with its thread.
 *
 * TMEM_TEST_DISK names a page that is shared with the test. All are 32 bits of this machine:
 *
 *      0         4         8         12        16          20        24        28        32
 *     +---------+---------+---------+---------+-----------+---------+---------+---------+
 *     | delay   | hangs   | error   | room    | under way | reads   | writes  | refused |
 *     +---------+---------+---------+---------+-----------+---------+---------+---------+
 *       what the test wants                     what there was
 *
 *   delay      microseconds that each call takes longer
 *   hangs      not 0: no call goes on before it is 0 again
 *   error      not 0: this errno instead of the call
 *   room       not 0: pages that a file may have. What is there already may be written over; a write beyond is cut
 *              short, or refused with ENOSPC
 *   under way  calls that have begun and not ended. Those of a process that was killed stay
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE 4096
#define LOOK_US 1000

struct disk {
    _Atomic uint32_t delay, hangs, error, room, under_way, reads, writes, refused;
};

static struct disk *disk;

__attribute__((constructor)) static void begin(void)
{
    const char *file = getenv("TMEM_TEST_DISK");
    if (file == NULL) return;
    int descriptor = open(file, O_RDWR | O_CLOEXEC);
    if (descriptor < 0) abort();
    disk = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (disk == MAP_FAILED) abort();
    close(descriptor);
}

static int is_ours(int descriptor)
{
    static const char end[] = ".spill";
    char link[32], name[4096];
    if (disk == NULL) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, name, sizeof name);
    ssize_t ending = sizeof end - 1;
    return length >= ending && memcmp(name + length - ending, end, ending) == 0;
}

/* Takes the time that the disk takes. Returns its error, or 0. */
static int take_time(_Atomic uint32_t *count)
{
    disk->under_way++;
    (*count)++;
    usleep(disk->delay);
    while (disk->hangs) usleep(LOOK_US);
    int error = disk->error;
    if (error != 0) disk->refused++;
    return error;
}

/* How many of the bytes there is room for. */
static size_t fitting(int descriptor, size_t bytes, off_t at)
{
    struct stat stat;
    off_t end = (off_t)disk->room * PAGE;
    if (end == 0 || at + (off_t)bytes <= end || fstat(descriptor, &stat) != 0) return bytes;
    if (end < stat.st_size) end = stat.st_size;
    if (at + (off_t)bytes <= end) return bytes;
    disk->refused++;
    return at < end ? end - at : 0;
}

static ssize_t over(ssize_t result, int error)
{
    disk->under_way--;
    errno = error;
    return result;
}

#define REAL(name) ((typeof(&name))dlsym(RTLD_NEXT, #name))

ssize_t pread64(int descriptor, void *bytes, size_t length, off64_t at)
{
    if (!is_ours(descriptor)) return REAL(pread64)(descriptor, bytes, length, at);
    int error = take_time(&disk->reads);
    if (error != 0) return over(-1, error);
    ssize_t result = REAL(pread64)(descriptor, bytes, length, at);
    return over(result, errno);
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t length, off64_t at)
{
    if (!is_ours(descriptor)) return REAL(pwrite64)(descriptor, bytes, length, at);
    int error = take_time(&disk->writes);
    if (error != 0) return over(-1, error);
    size_t fits = fitting(descriptor, length, at);
    if (fits == 0) return over(-1, ENOSPC);
    ssize_t result = REAL(pwrite64)(descriptor, bytes, fits, at);
    return over(result, errno);
}

int fdatasync(int descriptor)
{
    if (!is_ours(descriptor)) return REAL(fdatasync)(descriptor);
    int error = take_time(&disk->writes);
    if (error != 0) return over(-1, error);
    int result = REAL(fdatasync)(descriptor);
    return over(result, errno);
}

int ftruncate64(int descriptor, off64_t length)
{
    if (!is_ours(descriptor)) return REAL(ftruncate64)(descriptor, length);
    int error = take_time(&disk->writes);
    if (error != 0) return over(-1, error);
    int result = REAL(ftruncate64)(descriptor, length);
    return over(result, errno);
}

/* Of pieces the first alone, as a disk may do: who calls asks for the rest. */
ssize_t preadv64(int descriptor, const struct iovec *pieces, int count, off64_t at)
{
    if (!is_ours(descriptor) || count == 0) return REAL(preadv64)(descriptor, pieces, count, at);
    return pread64(descriptor, pieces[0].iov_base, pieces[0].iov_len, at);
}

ssize_t pwritev64(int descriptor, const struct iovec *pieces, int count, off64_t at)
{
    if (!is_ours(descriptor) || count == 0) return REAL(pwritev64)(descriptor, pieces, count, at);
    return pwrite64(descriptor, pieces[0].iov_base, pieces[0].iov_len, at);
}

/* Where a long has 64 bits these are the same calls by other names. */
ssize_t pread(int, void *, size_t, off_t) __attribute__((alias("pread64")));
ssize_t pwrite(int, const void *, size_t, off_t) __attribute__((alias("pwrite64")));
int ftruncate(int, off_t) __attribute__((alias("ftruncate64")));
ssize_t preadv(int, const struct iovec *, int, off_t) __attribute__((alias("preadv64")));
ssize_t pwritev(int, const struct iovec *, int, off_t) __attribute__((alias("pwritev64")));
