import { parseArgs } from 'node:util';
import { targets, tryTarget } from './targets.ts';

// npm run fuzz -- --target decoders --runs 1000000 --seed 1

const { values } = parseArgs({
  options: {
    target: { type: 'string', default: 'all' },
    runs: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
  },
});
const [seed, runs] = [Number(values.seed), Number(values.runs)];
const chosen = targets.filter(
  ({ name, group }) => ['all', name, group].includes(values.target) || values.target === '',
);
if (chosen.length === 0 || !Number.isSafeInteger(seed) || !Number.isSafeInteger(runs) || runs < 1) {
  const names = new Set(targets.flatMap(({ name, group }) => [group, name]));
  process.stderr.write(
    `fuzz: --target is one of all, ${[...names].join(', ')}; --seed and --runs are whole numbers.\n`,
  );
  process.exit(2);
}

// The inputs are shared out: `--runs` is how many there are in all.
const each = Math.ceil(runs / chosen.length);
let failed = 0;
let done = 0;
for (const target of chosen) {
  const startMs = performance.now();
  const failure = tryTarget(target, { seed, runs: each });
  const seconds = (performance.now() - startMs) / 1_000;
  if (failure === undefined) {
    done += each;
    console.log(`${target.name}: ${each} inputs in ${seconds.toFixed(1)} s, 0 wrong`);
    continue;
  }
  failed += 1;
  done += failure.seed - seed + 1;
  console.log(`${target.name}: seed ${failure.seed} is wrong`);
  console.log(failure.error);
  console.log(`Again: npm run fuzz -- --target ${target.name} --seed ${failure.seed} --runs 1`);
}
console.log(`${done} inputs, seeds ${seed} to ${seed + each - 1} of ${chosen.length} targets, ${failed} targets wrong`);
process.exitCode = failed === 0 ? 0 : 1;
