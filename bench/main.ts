/**
 * `npm run bench -- [--check] [--quick] [--json] [--save FILE] [NAME...]`: runs all benches, or those named, one after
 * the other. It fails when a bench does not get to its end; with `--check` also where a figure is below its floor, or
 * was not measured, unless what it needs cannot be had everywhere. What was measured is saved all the same.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { needs } from '../test/support/needs.js';
import type { Bench, Scale } from './bench.js';
import { codecBench } from './codec.bench.js';
import { dedupBench } from './dedup.bench.js';
import { diskBench } from './disk.bench.js';
import { engineBench } from './engine.bench.js';
import { evictBench } from './evict.bench.js';
import { fairnessBench } from './fairness.bench.js';
import { machineLine, thisMachine } from './machine.js';
import { memoryBench } from './memory.bench.js';
import { metadataBench } from './metadata.bench.js';
import { nbdBench } from './nbd.bench.js';
import { recoveryBench } from './recovery.bench.js';
import { type BenchReport, judged, missed, reportText, unmeasured } from './report.js';
import { scaleBench } from './scale.bench.js';
import { shardsBench } from './shards.bench.js';

const BENCHES: readonly Bench[] = [
  codecBench,
  engineBench,
  nbdBench,
  memoryBench,
  metadataBench,
  dedupBench,
  recoveryBench,
  scaleBench,
  fairnessBench,
  shardsBench,
  diskBench,
  evictBench,
];

process.exitCode = await main();

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      check: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      save: { type: 'string' },
    },
  });
  const unknown = positionals.filter((name) => !BENCHES.some((bench) => bench.name === name));
  if (unknown.length > 0) {
    process.stderr.write(`no bench ${unknown.join(', ')}: there are ${BENCHES.map(({ name }) => name).join(', ')}\n`);
    return 2;
  }
  const scale: Scale = values.quick ? 'quick' : 'full';
  const machine = thisMachine();
  const print = (text: string): void => void (values.json || process.stdout.write(`${text}\n`));
  print(`${machineLine(machine)}${scale === 'quick' ? '; quick run, figures are rough' : ''}\n`);
  const started = new Date();
  const reports: BenchReport[] = [];
  for (const bench of BENCHES) {
    if (positionals.length > 0 && !positionals.includes(bench.name)) continue;
    const report = await runBench(bench, scale);
    reports.push(report);
    print(reportText(report));
  }
  const below = reports.flatMap(missed);
  const absent = values.check ? reports.flatMap(unmeasured) : [];
  const broken = reports.flatMap((report) => ('failed' in report ? [`${report.name}: ${report.failed}`] : []));
  const document = `${JSON.stringify({ v: 1, time: started.toISOString(), scale, machine, benches: reports }, undefined, 2)}\n`;
  if (values.json) process.stdout.write(document);
  if (values.save !== undefined) {
    mkdirSync(path.dirname(values.save), { recursive: true });
    writeFileSync(values.save, document);
  }
  complain('below their floors', below);
  complain('not measured', absent);
  complain('not finished', broken);
  return broken.length > 0 || (values.check && below.length + absent.length > 0) ? 1 : 0;
}

function complain(what: string, of: readonly string[]): void {
  if (of.length > 0) process.stderr.write(`${what}:\n${of.map((line) => `  ${line}\n`).join('')}`);
}

async function runBench(bench: Bench, scale: Scale): Promise<BenchReport> {
  const { name, question } = bench;
  try {
    const skipped = needs(...bench.needs);
    if (skipped !== false) return { name, question, skipped };
    const excused = needs(...(bench.mayLack ?? []));
    if (excused !== false) return { name, question, excused };
    const start = performance.now();
    const run = await bench.run(scale);
    return judged(bench, Math.round((performance.now() - start) / 100) / 10, run);
  } catch (error) {
    // The figures of the others must not be lost with it.
    return { name, question, failed: String(error) };
  }
}
