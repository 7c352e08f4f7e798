import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TmemError } from '../../base/errors.js';
import { type FileConfig, parseConfig } from './file-config.js';

test('the swap disk that is one too many for its guest is refused, with its line', () => {
  const disks = (count: number): string =>
    Array.from({ length: count }, (_, n) => `[guest.vm1.swap.s${n}]\nsize = "1MiB"\n`).join('');
  assert.equal(parseConfig(disks(1024), 'f').guests[0]!.swaps.length, 1024);
  assert.throws(() => parseConfig(disks(1025), 'f'), {
    code: 'E_CONFIG',
    message: 'f line 2049: guest vm1 has over 1024 swap disks: take some out',
  });
});

test('a config says what it says, and leaves the rest undefined', () => {
  const config = parseConfig(
    `
capacity  = "2GiB"
arena     = "/dev/shm/tmem"
run_dir   = "/run/tmem"
http      = "127.0.0.1:7070"
token_file = "/etc/tmem/token"
workers   = 2
log_level = "debug"

[policy]
name     = "price"
interval = "1s"
budget   = "8GiB"
reserve  = "256MiB"
dry_run  = false

[guest.vm1]
kind = "vm"
weight = 50
reservation = "256MiB"
cap = "2G"
owner = "libvirt-qemu"

[guest.vm1.swap.swap0]
size  = "1GiB"
spill = "/var/lib//tmem/vm1-swap0.spill"
dedup = false

[guest.vm1.swap.swap1]
size  = "1MiB"

[guest."a.b"]
kind = "process"
`,
    'f',
  );
  assert.deepEqual(config, {
    capacityBytes: 2 ** 31,
    arena: '/dev/shm/tmem',
    runDir: '/run/tmem',
    http: { host: '127.0.0.1', port: 7070 },
    tokenFile: '/etc/tmem/token',
    workers: 2,
    logLevel: 'debug',
    guests: [
      {
        name: 'vm1',
        kind: 'vm',
        weight: 50,
        capBytes: 2 ** 31,
        reservationBytes: 2 ** 28,
        owner: 'libvirt-qemu',
        swaps: [
          { name: 'swap0', sizeBytes: 2 ** 30, spill: '/var/lib/tmem/vm1-swap0.spill', domain: null },
          { name: 'swap1', sizeBytes: 2 ** 20, spill: null, domain: null },
        ],
      },
      { name: 'a.b', kind: 'process', weight: 100, capBytes: null, reservationBytes: null, owner: null, swaps: [] },
    ],
  } satisfies FileConfig);
});

test('an empty config is a config', () => assert.deepEqual(parseConfig('', 'f').guests, []));

test('"off" and port 0 are addresses', () => {
  assert.equal(parseConfig('http = "off"', 'f').http, 'off');
  assert.deepEqual(parseConfig('http = "[::1]:0"', 'f').http, { host: '::1', port: 0 });
});

const guest = '[guest.vm1]\n';
const swap = '[guest.vm1.swap.s]\nsize = "1G"\n';
const mistakes: readonly [what: string, text: string, message: string | RegExp][] = [
  [
    'an unknown key at the top',
    '\ncapcity = 1',
    'f line 2: unknown key "capcity" at the top level: the nearest known key is "capacity"',
  ],
  [
    'an unknown key of a guest',
    `${guest}wieght = 1`,
    'f line 2: unknown key "wieght" in [guest.vm1]: the nearest known key is "weight"',
  ],
  [
    'an unknown key of a swap disk',
    '[guest.vm1.swap.s]\nsise = "1G"',
    'f line 2: unknown key "sise" in [guest.vm1.swap.s]: the nearest known key is "size"',
  ],
  ['an unknown key of a disk', '[guest.vm1.disk.d]\nimage = "/x"\nmod = "rw"', /^f line 3: .*"mode"$/],
  ['an unknown key of the policy', '[policy]\nbudgt = 1', /^f line 2: .*"budget"$/],
  ['an unknown table', '[guests.vm1]\nkind = "vm"', /^f line 1: unknown key "guests" .* "guest"$/],
  ['a wrong type', 'arena = 5', 'f line 1: arena = 5 is not an absolute path: begin it with "/"'],
  ['a boolean that is a string', '[policy]\ndry_run = "no"', 'f line 2: policy.dry_run = "no" is not a boolean'],
  ['a number for a table', 'guest = 5', 'f line 1: guest = 5 is not a table: write [guest] or give it keys'],
  ['a guest that is no table', '[guest]\nvm1 = 5', /^f line 2: guest.vm1 = 5 is not a table/],
  ['a wrong word', `${guest}kind = "pod"`, 'f line 2: guest.vm1.kind = "pod" is not one of "vm", "process"'],
  ['a weight of nothing', `${guest}weight = 0`, /^f line 2: guest.vm1.weight = 0 is not a whole number of 1 or more$/],
  ['a decimal size', 'capacity = "2GB"', 'f line 1: capacity = "2GB" is not a size: write "2GiB"'],
  ['a size that is a table', '[capacity]', /^f line 1: capacity = \{\} is not a size/],
  ['a capacity too small for anything', 'capacity = "1MiB"', /^f line 1: .* is too little: .* at least 8 MiB$/],
  ['a disk of part of a page', '[guest.vm1.swap.s]\nsize = 5000', /^f line 2: .* not a whole number of pages/],
  ['a disk of nothing', '[guest.vm1.swap.s]\nsize = 0', /^f line 2: .* not a whole number of pages/],
  ['a disk over the largest', '[guest.vm1.swap.s]\nsize = "17T"', /^f line 2: .* over the largest disk, 16 TiB/],
  ['a disk without a size', '\n[guest.vm1.swap.s]\n', 'f line 2: guest.vm1.swap.s.size is missing'],
  ['a bad guest name', '[guest."no spaces"]', /^f line 1: guest.no spaces: "no spaces" is a bad name: a guest is/],
  ['a guest name that is too long', `[guest.${'a'.repeat(49)}]`, /^f line 1: .* is a bad name/],
  ['a bad export name', '[guest.vm1.swap.a-b]\nsize = 4096', /^f line 1: .* "a-b" is a bad name: an export is/],
  ['a name given twice', `${swap}${swap}`, /^f line 3, column \d+: /],
  ['a key given twice', 'workers = 1\nworkers = 1', /^f line 2, column \d+: /],
  ['no TOML', 'capacity =', /^f line 1, column \d+: /],
  ['a bad address', 'http = "7070"', /^f line 1: http = "7070" is not "HOST:PORT" or "off"/],
  ['a port out of range', 'http = "127.0.0.1:70000"', /is not "HOST:PORT"/],
  ['a bad interval', '[policy]\ninterval = "soon"', /^f line 2: .* is not a time/],
  [
    'a relative spill file',
    `${swap}spill = "x"`,
    /^f line 3: .*spill = "x" is not an absolute path: begin it with "\/"$/,
  ],
  [
    'a spill file with a line break',
    `${swap}spill = "/x\\n"`,
    /^f line 3: .* is no path: a control character is in it$/,
  ],
  [
    'a spill file of two exports',
    `${swap}spill = "/x/y"\n[guest.b.swap.t]\nsize = "1G"\nspill = "/x/./y"`,
    'f line 6: the spill file is that of vm1/s too: each export needs its own',
  ],
  [
    'dedup with spill',
    `${swap}spill = "/x/y"\ndedup = true`,
    'f line 4: pages that share memory cannot spill in this version: take out dedup or spill',
  ],
  ['an image disk', '[guest.vm1.disk.root]\nimage = "/x"', /^f line 1: "guest.vm1.disk.root" is not available in/],
  ['too many workers', 'workers = 65', 'f line 1: workers = 65 is not a whole number from 1 to 64'],
  ['no workers', 'workers = 0', 'f line 1: workers = 0 is not a whole number from 1 to 64'],
  ['qmp', `${guest}qmp = "/x"`, 'f line 2: "qmp" is not available in this version: take it out'],
  ['a bad reservation', `${guest}reservation = "1GB"`, /^f line 2: guest.vm1.reservation = "1GB" is not/],
  ['a bad trust domain', `${guest}trust = "a b"`, /^f line 2: .*a bad name/],
];

test('dedup is inside the trust domain that the guest names, or inside the guest, and without it there is none', () => {
  const swaps = '[guest.vm1.swap.a]\nsize = "1G"\ndedup = true\n[guest.vm1.swap.b]\nsize = "1G"\n';
  const domains = (text: string): (string | null)[] =>
    parseConfig(text, 'f').guests.flatMap((found) => found.swaps.map(({ domain }) => domain));
  assert.deepEqual(domains(swaps), ['guest vm1', null]);
  assert.deepEqual(domains(`[guest.vm1]\ntrust = "vm1"\n${swaps}`), ['trust vm1', null]);
});

for (const [what, text, message] of mistakes) {
  test(`${what} is refused with its line, in one line`, () => {
    assert.throws(
      () => parseConfig(text, 'f'),
      (error) => {
        assert.ok(error instanceof TmemError);
        assert.equal(error.code, 'E_CONFIG');
        assert.ok(!error.message.includes('\n'));
        if (typeof message === 'string') assert.equal(error.message, message);
        else assert.match(error.message, message);
        return true;
      },
    );
  });
}
