import { shrink } from './shrink.ts';
import { runSeeds, type SeedReport } from './threads.ts';
import { createScenario } from './workload.ts';

/** More than these are counted, and not replayed. */
const failuresShownMax = 3;

/** Runs seeded histories, prints what befell them, and of those that went wrong the least history. Gives the exit code. */
export async function main(options: {
  readonly seed: number;
  readonly runs: number;
  readonly print?: (line: string) => void;
}): Promise<number> {
  const print = options.print ?? ((line: string) => process.stdout.write(`${line}\n`));
  const startMs = performance.now();
  const faults = new Map<string, number>();
  const failures: SeedReport[] = [];
  let steps = 0;
  let done = 0;
  print(`Simulating seeds ${options.seed} to ${options.seed + options.runs - 1} on virtual time.`);
  await runSeeds(options, (report) => {
    done += 1;
    steps += report.steps;
    for (const [kind, count] of report.faults) faults.set(kind, (faults.get(kind) ?? 0) + count);
    if (report.wrong.length > 0) failures.push(report);
    if (done % 2_000 === 0) print(`${done} seeds, ${failures.length} wrong`);
  });
  const seconds = (performance.now() - startMs) / 1_000;
  print(
    `${done} seeds in ${seconds.toFixed(1)} s (${((seconds * 1_000) / done).toFixed(1)} ms a seed, ${Math.round(steps / done)} steps a seed), ${failures.length} wrong.`,
  );
  print(
    `Faults: ${
      [...faults]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([kind, count]) => `${count} ${kind}`)
        .join(', ') || 'none'
    }.`,
  );
  failures.sort((a, b) => a.seed - b.seed);
  for (const failure of failures.slice(0, failuresShownMax)) await printFailure(failure, print);
  if (failures.length > failuresShownMax)
    print(
      `Also wrong: seeds ${failures
        .slice(failuresShownMax)
        .map(({ seed }) => seed)
        .join(', ')}.`,
    );
  if (done !== options.runs) print(`Only ${done} of ${options.runs} seeds were run.`);
  return failures.length === 0 && done === options.runs ? 0 : 1;
}

async function printFailure({ seed, wrong }: SeedReport, print: (line: string) => void): Promise<void> {
  print(`\nSeed ${seed} is wrong:`);
  for (const line of wrong.slice(0, 10)) print(`  ${line}`);
  const shrunk = await shrink(createScenario(seed));
  if (shrunk === undefined) {
    print(
      'It is right when it is run again, so something outside of the seed decides: that is a bug of the simulation.',
    );
    return;
  }
  const { scenario, result, tries } = shrunk;
  const { pipeline } = scenario.sim;
  print(
    `Shrunk in ${tries} runs to ${scenario.actions.length} actions and ${sum(result.faults)} faults; pipeline ${pipeline.id}, ${pipeline.plan.slots} slots:`,
  );
  for (const line of result.history) print(`  ${line}`);
  for (const line of result.wrong.slice(0, 10)) print(`  ${line}`);
  print(`Again: npm run simulate -- --seed ${seed} --runs 1`);
}

function sum(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((total, count) => total + count, 0);
}
