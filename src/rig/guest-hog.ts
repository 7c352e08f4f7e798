/**
 * The workload of a guest where there is no C compiler: awk, which busybox has and which makes and compares pages in a
 * few steps. It fills memory with pages of text, visits them in random order, compares each byte with what was last
 * written there, and writes every other piece anew.
 *
 *      a page:   noise (its own part of it, 0 to 4096 bytes)   the page's name, repeated to the end
 *               ┌─────────────────────────────────────────────┬─────────────────────────────────────────────┐
 *               │ q8Zt0aP…                                    │ 001 00017 00003;001 00017 00003;001 00017 … │
 *               └─────────────────────────────────────────────┴─────────────────────────────────────────────┘
 *      a piece:  four pages, one string of awk's heap: visited one by one, pages would cost two faults each, for the
 *                heap does not align them
 *
 * What a page must hold is a function of seed, page and version, and its version one of the round and of whether the
 * round has passed it: nothing is kept per page that a lying store could change as well. As in the C hog, LZ4 makes
 * less than half of a page (ratio 2.1).
 */

/**
 * Takes `mib` (1 to 192), `seconds`, `rounds` and `seed` (0 to 999) from its environment and ends when `/stop` appears. Says what
 * the C hog says, and `faults`, the kernel's count of faults that waited for swap. `rounds` at the end are whole visits
 * of all pages, the last look included.
 */
export const AWK_HOG = `
function page_text(page, version,   name, noisy) {
  name = sprintf("%03d %05d %05d;", seed, page, version)
  noisy = noisy_bytes[(page * 7 + version * 3 + seed) % kinds]
  name = name name; name = name name; name = name name; name = name name
  name = name name; name = name name; name = name name; name = name name
  return substr(noise, (page * 7919 + version * 104729 + seed * 31) % 28672 + 1, noisy) substr(name, 1, 4096 - noisy)
}
function make(piece, version,   page) {
  page = piece * 4
  return page_text(page, version) page_text(page + 1, version) page_text(page + 2, version) page_text(page + 3, version)
}
# The version that a piece has when the round has passed it.
function version_after(piece, round) { return round == 0 || (piece + round) % 2 == 0 ? round : round - 1 }

function check(piece, version,   wanted, at) {
  wanted = make(piece, version)
  verified += 4
  if (held[piece] == wanted) return
  for (at = 0; at < 4; at++) {
    if (substr(held[piece], at * 4096 + 1, 4096) == substr(wanted, at * 4096 + 1, 4096)) continue
    if (bad++ < 10) say("HOG bad page=" piece * 4 + at " version=" version)
  }
  held[piece] = wanted
}
# 11 generates the numbers below 12289, and so does every product of it with a sixth power: each round has another order.
function first(round,   square) {
  square = (round + 1) * (round + 1) % 12289
  factor = 11 * (square * square * square % 12289) % 12289
  return 1
}
function next_of(place) { return place * factor % 12289 }

function say(line) { print line; fflush() }
function figures(   line, field) {
  while ((getline line < "/proc/vmstat") > 0) {
    split(line, field, " ")
    vm[field[1]] = field[2]
  }
  close("/proc/vmstat")
  return "verified=" verified " bad=" bad " reads=" vm["pswpin"] " writes=" vm["pswpout"] " faults=" vm["pgmajfault"]
}
function uptime(   line) {
  getline line < "/proc/uptime"
  close("/proc/uptime")
  return line + 0
}
# Looks at the clock at every 16th call alone.
function is_over(   now, line) {
  if (calls++ % 16 != 0) return over
  now = uptime() - start
  if (now - said >= 1) {
    said = now
    say("HOG second=" int(now) " round=" round " " figures())
  }
  if ((seconds > 0 && now >= seconds) || (getline line < "/stop") >= 0) over = 1
  return over
}

BEGIN {
  seed = ENVIRON["seed"] % 1000; seconds = ENVIRON["seconds"]; rounds = ENVIRON["rounds"]
  pieces = ENVIRON["mib"] * 64
  if (pieces > 12288) { say("HOG failed at=mib"); exit 2 }
  verified = bad = round = finished = over = said = 0
  kinds = split("0 512 512 1024 1024 1024 1536 2048 2048 2560 3072 3584 4096", noisy_bytes, " ")
  noisy_bytes[0] = noisy_bytes[kinds]
  letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
  drawn = seed + 1
  for (at = 0; at < 32768; at++) {
    drawn = (drawn * 1103515245 + 12345) % 2147483648
    noise = noise substr(letters, int(drawn / 65536) % 64 + 1, 1)
  }
  start = uptime()
  for (piece = 0; piece < pieces; piece++) { held[piece] = make(piece, 0); is_over() }
  say("HOG filled mib=" pieces / 64 " second=" int(uptime() - start))
  passed = 12288
  while (!over && (rounds == 0 || finished < rounds)) {
    round++
    passed = 0
    for (place = first(round); passed < 12288 && !is_over(); place = next_of(place)) {
      passed++
      piece = place - 1
      if (piece >= pieces) continue
      check(piece, version_after(piece, round - 1))
      if ((piece + round) % 2 == 0) held[piece] = make(piece, round)
    }
    if (passed == 12288) finished++
  }
  # The last look goes the way of the last round: what that has not passed is as the round before left it.
  looked = 0
  say("HOG last")
  for (place = first(round); looked < 12288; place = next_of(place)) {
    looked++
    if (place > pieces) continue
    check(place - 1, version_after(place - 1, looked <= passed ? round : round - 1))
    is_over()
  }
  say("HOG done rounds=" finished + 1 " " figures())
  exit bad > 0
}
`;
