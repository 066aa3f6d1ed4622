import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { mutate } from './load.ts';
import { type Sabotage, type SabotageName, sabotages } from './sabotages.ts';
import { runThread, type SeedReport } from './threads.ts';

/** Most rules need fewer than twenty; the reader's needs two reads in the very middle of a window's closing. */
const seedsMax = 600;

describe('the simulation goes wrong without', () => {
  for (const [name, sabotage] of Object.entries(sabotages) as [SabotageName, Sabotage][]) {
    test.concurrent(`rule ${sabotage.rule} (${name})`, async () => {
      const broken = await run(name, { seed: 1, runs: seedsMax, isIntact: false });
      const wrong = broken.filter((report) => report.wrong.length > 0);
      expect(wrong, `none of ${seedsMax} seeds went wrong`).toHaveLength(1);
      const [found] = wrong;
      const intact = await run(name, { seed: found?.seed ?? 0, runs: 1, isIntact: true });
      expect(intact.map((report) => report.wrong)).toEqual([[]]);
    });
  }
});

test('every sabotage finds the one line that it breaks', () => {
  for (const { mutations = [] } of Object.values(sabotages) as Sabotage[]) {
    for (const mutation of mutations) {
      const source = readFileSync(new URL(`../../${mutation.file}`, import.meta.url), 'utf8');
      expect(() => mutate(source, mutation)).not.toThrow();
    }
  }
});

test('a sabotage whose line is gone, or there twice, is an error', () => {
  const mutation = { file: 'a.ts', find: 'let a = 1;', replace: '' };
  expect(() => mutate('let b = 1;', mutation)).toThrow('occurs 0 times');
  expect(() => mutate('let a = 1; let a =\n  1;', mutation)).toThrow('occurs 2 times');
});

async function run(
  sabotage: SabotageName,
  order: { readonly seed: number; readonly runs: number; readonly isIntact: boolean },
): Promise<readonly SeedReport[]> {
  const reports: SeedReport[] = [];
  await runThread({ ...order, stride: 1, sabotage, stopsAtFirst: true }, (report) => reports.push(report));
  return reports;
}
