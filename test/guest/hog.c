/*
 * A memory hog that distrusts its own memory. It fills more memory than the guest has, walks it in random order,
 * checks every byte of every page it touches and rewrites some, so that each page that comes back from swap is
 * compared with what was last written there.
 *
 * What a page must hold is a function of (seed, page, version); only the version of each page is kept, and that
 * bookkeeping is locked in RAM: a store that lies cannot make the judge lie.
 *
 * Arguments, each name=value:
 *   mib=160       memory to fill
 *   seconds=0     stop after this long (0: no limit)
 *   rounds=0      stop after this many rounds (0: no limit); SIGTERM stops too
 *   seed=1        of the order and the contents
 *   write=50      percent of touches that rewrite the page
 *   fill=mixed    mixed: compresses like real memory; random: does not compress
 *
 * Says, one write(2) a line:
 *   HOG second=7 round=2 verified=61000 bad=0 reads=30211 writes=20110 pause=0.04
 *       once a second; reads: pages swapped in; pause: the longest, in seconds, that a few touches took since the last
 *   HOG bad page=17 version=3 byte=0 found=00 wanted=5e                      the first few bad pages
 *   HOG done bad=0 reads=51234 writes=40000 verified=150000 rounds=3         after a last look at every page
 * Ends with 0, 1 when a page was bad, 2 when it could not work, 3 when a page could not be read at all.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096
#define WORDS (PAGE / 8)
#define BAD_LINES_MAX 10
/* Touches between two looks at the clock: a touch that faults costs under a millisecond. */
#define CLOCK_EVERY 64

static volatile sig_atomic_t told_to_stop;
static char *memory;
static uint32_t pages, *version, *order;
static uint64_t seed = 1, random_state;
static uint64_t verified, bad;
static int mixed = 1, vmstat_file;
/* The last look at the clock, and the longest time between two looks since the last report. */
static double looked, longest;
static uint64_t wanted[WORDS];

static void say(const char *format, ...)
{
    char line[256];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (write(1, line, length) != length) _exit(2);
}

static void give_up(const char *what)
{
    say("HOG failed at=%s\n", what);
    _exit(2);
}

static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9u;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static uint64_t draw(void)
{
    return mix(random_state += 0x9e3779b97f4a7c15u);
}

/* Of each 8 words, how many are drawn; the rest repeat one word of the page, as pointers and zeros do in real memory.
 * Over the 16 kinds LZ4 makes less than half of it (ratio 2.2). */
static const unsigned char drawn_words[16] = {0, 0, 1, 1, 2, 2, 2, 2, 2, 3, 3, 4, 4, 5, 8, 8};

static void make(uint32_t page, uint32_t of_version)
{
    uint64_t x = mix(seed ^ mix((uint64_t)page << 32 | of_version));
    uint64_t repeated = x | 1;
    unsigned drawn = mixed ? drawn_words[mix(x) & 15] : 8;
    for (unsigned at = 0; at < WORDS; at++) {
        if ((at & 7) < drawn) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            wanted[at] = x;
        } else {
            wanted[at] = repeated;
        }
    }
}

static void put(uint32_t page)
{
    make(page, ++version[page]);
    memcpy(memory + (size_t)page * PAGE, wanted, PAGE);
}

static void check(uint32_t page)
{
    make(page, version[page]);
    const unsigned char *found = (const unsigned char *)memory + (size_t)page * PAGE;
    verified++;
    if (memcmp(found, wanted, PAGE) == 0) return;
    if (bad++ < BAD_LINES_MAX) {
        unsigned at = 0;
        while (found[at] == ((unsigned char *)wanted)[at]) at++;
        say("HOG bad page=%u version=%u byte=%u found=%02x wanted=%02x\n", page, version[page], at, found[at],
            ((unsigned char *)wanted)[at]);
    }
    /* Make it good again: every wrong page is counted once. */
    memcpy(memory + (size_t)page * PAGE, wanted, PAGE);
}

static void shuffle(void)
{
    for (uint32_t at = pages - 1; at > 0; at--) {
        uint32_t other = draw() % (at + 1), kept = order[at];
        order[at] = order[other];
        order[other] = kept;
    }
}

/* The kernel's own count of pages swapped in or out. */
static unsigned long long vmstat(const char *name)
{
    static char text[16384];
    ssize_t length = pread(vmstat_file, text, sizeof text - 1, 0);
    if (length <= 0) return 0;
    text[length] = 0;
    const char *at = strstr(text, name);
    return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static double look(void)
{
    double time = now();
    if (time - looked > longest) longest = time - looked;
    return looked = time;
}

static void progress(double since_start, unsigned round)
{
    say("HOG second=%.0f round=%u verified=%llu bad=%llu reads=%llu writes=%llu pause=%.2f\n", since_start, round,
        (unsigned long long)verified, (unsigned long long)bad, vmstat("pswpin "), vmstat("pswpout "), longest);
    longest = 0;
}

static void stop(int number)
{
    (void)number;
    told_to_stop = 1;
}

/* The kernel could not read a page back. */
static void lost(int number)
{
    (void)number;
    static const char line[] = "HOG lost\n";
    (void)!write(1, line, sizeof line - 1);
    _exit(3);
}

int main(int count, char **arguments)
{
    unsigned mib = 160, rounds = 0, writes = 50, round = 0;
    double seconds = 0;
    for (int at = 1; at < count; at++) {
        char *value = strchr(arguments[at], '=');
        if (value == NULL) give_up("arguments");
        *value++ = 0;
        if (!strcmp(arguments[at], "mib")) mib = atoi(value);
        else if (!strcmp(arguments[at], "seconds")) seconds = atof(value);
        else if (!strcmp(arguments[at], "rounds")) rounds = atoi(value);
        else if (!strcmp(arguments[at], "seed")) seed = strtoull(value, NULL, 10);
        else if (!strcmp(arguments[at], "write")) writes = atoi(value);
        else if (!strcmp(arguments[at], "fill")) mixed = strcmp(value, "random") != 0;
        else give_up(arguments[at]);
    }
    signal(SIGTERM, stop);
    signal(SIGBUS, lost);
    pages = mib * (1048576 / PAGE);
    random_state = mix(seed);
    vmstat_file = open("/proc/vmstat", O_RDONLY);
    version = calloc(pages, sizeof *version);
    order = calloc(pages, sizeof *order);
    if (vmstat_file < 0 || version == NULL || order == NULL) give_up("bookkeeping");
    for (uint32_t page = 0; page < pages; page++) order[page] = page;
    /* Everything up to here, this program's text included, stays in RAM. What is mapped below does not. */
    if (mlockall(MCL_CURRENT) != 0) give_up("mlockall");
    memory = mmap(NULL, (size_t)pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) give_up("mmap");
    /* A huge page would come and go in one piece of 2 MiB, and hide the store's answers from us. */
    madvise(memory, (size_t)pages * PAGE, MADV_NOHUGEPAGE);

    double start = now(), said = start;
    looked = start;
    for (uint32_t page = 0; page < pages && !told_to_stop; page++) put(page);
    say("HOG filled mib=%u second=%.1f\n", mib, now() - start);
    looked = now();
    while (!told_to_stop && (rounds == 0 || round < rounds) && (seconds == 0 || now() - start < seconds)) {
        round++;
        shuffle();
        for (uint32_t at = 0; at < pages && !told_to_stop; at++) {
            check(order[at]);
            if (draw() % 100 < writes) put(order[at]);
            if (at % CLOCK_EVERY != 0) continue;
            double time = look();
            if (seconds != 0 && time - start >= seconds) break;
            if (time - said < 1) continue;
            said = time;
            progress(time - start, round);
        }
    }
    for (uint32_t page = 0; page < pages; page++) {
        if (version[page] != 0) check(page);
        if (page % CLOCK_EVERY != 0 || look() - said < 1) continue;
        said = looked;
        progress(said - start, round);
    }
    say("HOG done bad=%llu reads=%llu writes=%llu verified=%llu rounds=%u\n", (unsigned long long)bad, vmstat("pswpin "),
        vmstat("pswpout "), (unsigned long long)verified, round);
    return bad != 0;
}
