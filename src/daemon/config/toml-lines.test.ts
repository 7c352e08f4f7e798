import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lineOfKey } from './toml-lines.js';

const text = `# comment
capacity = "2GiB"
note = """
weight = 1
"""

[guest.vm1]
weight = 5
swap.swap0.size = "1GiB"

[ guest . "vm2" . swap.swap0 ]   # odd spacing
size = 4096
[guest.vm3]
swap = { swap0 = { size = 1 } }
`;

for (const [path, line] of [
  ['capacity', 2],
  ['guest.vm1', 7],
  ['guest.vm1.weight', 8],
  ['guest.vm1.swap', 9],
  ['guest.vm1.swap.swap0.size', 9],
  ['guest.vm2.swap.swap0', 11],
  ['guest.vm2.swap.swap0.size', 12],
  ['guest.vm3.swap.swap0.size', 14],
  ['nowhere', 1],
] as const) {
  test(`${path} is on line ${line}`, () => assert.equal(lineOfKey(text, path.split('.')), line));
}
