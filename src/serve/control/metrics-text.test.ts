import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { readMetrics } from '../../../test/support/prometheus-text.js';
import { formatMetrics, histogramSamples } from './metrics-text.js';

const anyText = fc.string({
  unit: fc.oneof(
    fc.constantFrom('\\', '"', '\n', '\r', '{', '}', ',', 'n'),
    fc.string({ unit: 'binary', maxLength: 1 }),
  ),
});

test('whatever a label or a help text holds is read back as it was', () => {
  fc.assert(
    fc.property(anyText, anyText, anyText, fc.double({ noNaN: true }), (help, guest, pool, value) => {
      const [family] = readMetrics(
        formatMetrics([{ name: 'tmem_x', type: 'gauge', help, samples: [{ labels: { guest, pool }, value }] }]),
      );
      assert.equal(family!.help, help);
      assert.deepEqual(
        [...family!.samples[0]!.labels],
        [
          ['guest', guest],
          ['pool', pool],
        ],
      );
      assert.equal(family!.samples[0]!.value, value === 0 ? 0 : value);
    }),
    { seed: 3, numRuns: 500 },
  );
});

test('a histogram counts what is at or below each bound, and all of it at infinity', () => {
  const samples = histogramSamples({ export: 'a/b' }, [0.001, 0.5], [3, 0, 4], 7.25);
  assert.equal(
    formatMetrics([{ name: 'h', type: 'histogram', help: 'x', samples }]),
    `# HELP h x
# TYPE h histogram
h_bucket{export="a/b",le="0.001"} 3
h_bucket{export="a/b",le="0.5"} 3
h_bucket{export="a/b",le="+Inf"} 7
h_sum{export="a/b"} 7.25
h_count{export="a/b"} 7
`,
  );
});

test('a family without samples is absent', () =>
  assert.equal(formatMetrics([{ name: 'x', type: 'counter', help: 'y', samples: [] }]), ''));

test('the reader that judges the writer refuses what is not of the format', () => {
  const head = '# HELP x h\n# TYPE x gauge\n';
  assert.equal(readMetrics(`${head}x{a="1"} 2\nx 3e-7\n`)[0]!.samples.length, 2);
  for (const text of [
    `${head}x{a="1"} 2`,
    `${head}x{a="1} 2\n`,
    `${head}x{a="1",a="2"} 2\n`,
    String.raw`# HELP x h` + '\n# TYPE x gauge\nx{a="\\q"} 2\n',
    `${head}x 2\nx 3\n`,
    `${head}y 2\n`,
    `${head}x two\n`,
    `${head}x 2 \n`,
    'x 2\n',
    `${head}${head}`,
  ])
    assert.throws(() => readMetrics(text), Error, text);
});
