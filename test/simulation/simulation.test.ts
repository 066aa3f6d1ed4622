import { expect, test } from 'vitest';
import { main } from './main.ts';
import { shrink } from './shrink.ts';
import { runScenario, runSeed } from './simulate.ts';
import { runSeeds, type SeedReport } from './threads.ts';
import { createScenario, faultKinds } from './workload.ts';

test('rows, numbers, lateness and dead letters are exact whatever befalls', async () => {
  const wrong: SeedReport[] = [];
  const faults = new Set<string>();
  await runSeeds({ seed: 1, runs: 1_000 }, (report) => {
    if (report.wrong.length > 0) wrong.push(report);
    for (const [kind] of report.faults) faults.add(kind);
  });
  expect(wrong).toEqual([]);
  // A fault that never happens proves nothing.
  expect([...faults].sort()).toEqual(
    [
      ...faultKinds,
      'poison',
      'savepoint',
      ...['exchange', 'raw', 'rows'].flatMap((name) => [`merge-${name}`, `split-${name}`]),
    ].sort(),
  );
});

test('a seed is one history', async () => {
  for (const seed of [3, 4, 5, 6, 7, 8]) {
    const [first, second] = [await runSeed(seed, { withHistory: true }), await runSeed(seed, { withHistory: true })];
    expect(first.history.length).toBeGreaterThan(20);
    expect(second.history).toEqual(first.history);
  }
});

test('what is printed says how many seeds were run and that none was wrong', async () => {
  const lines: string[] = [];
  expect(await main({ seed: 10, runs: 6, print: (line) => lines.push(line) })).toBe(0);
  expect(lines.join('\n')).toMatch(/^Simulating seeds 10 to 15 on virtual time\.\n6 seeds in .* 0 wrong\.\nFaults: /);
});

test('a history that goes wrong is shrunk to the actions and faults that it needs', async () => {
  const flaws = { exchangeMapping: { ignoresParents: true }, rawMapping: { ignoresParents: true } };
  const bias = { pipelines: ['lambda'], onModel: false, exchangeReshards: 2 };
  for (let seed = 1; seed < 50; seed += 1) {
    const scenario = createScenario(seed, bias);
    if ((await runScenario(scenario, { flaws })).wrong.length === 0) continue;
    const shrunk = await shrink(scenario, flaws);
    expect(shrunk?.result.wrong).not.toEqual([]);
    expect(shrunk?.scenario.actions.length).toBeLessThan(scenario.actions.length);
    // Right again as soon as the promise is kept.
    expect((await runScenario(shrunk?.scenario ?? scenario)).wrong).toEqual([]);
    return;
  }
  throw new Error('no seed went wrong with a mapping that ignores parents');
});
