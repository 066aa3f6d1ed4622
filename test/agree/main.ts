import { parseArgs } from 'node:util';
import { agree } from './agree.ts';
import { suites } from './suites.ts';

const help = `npm run agree -- [options]

Compares every window pipeline of the tests and of pipelines/ with DuckDB, and with itself in a run, on Lambda and on the worker, on generated
histories: records out of order, late and repeated.

  --histories N   how many for each pipeline (default 200)
  --seed S        which (default 1)
  --suite TEXT    only pipelines whose name has this text
`;

const { values } = parseArgs({
  options: {
    histories: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    suite: { type: 'string', default: '' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(help);
  process.exit(0);
}
const histories = numberOf('histories', 1);
const seed = numberOf('seed', 0);
const chosen = suites.filter(({ name }) => name.includes(values.suite));
if (chosen.length === 0) {
  console.error(`no pipeline has ${values.suite} in its name; there are ${suites.map(({ name }) => name).join(', ')}.`);
  process.exit(2);
}

let compared = 0;
for (const suite of chosen) {
  const startMs = performance.now();
  const { difference, ...done } = await agree(suite, { histories, seed });
  const seconds = ((performance.now() - startMs) / 1_000).toFixed(1);
  const refused = done.refused.length === 0 ? '' : `; no query says ${done.refused.join(', ')}`;
  if (difference !== undefined) {
    console.log(`${suite.name}: DIFFERENT, with --seed ${seed}`);
    for (const line of difference.lines.slice(0, 10)) console.log(`  ${line}`);
    console.log('  the records, in their order:');
    for (const { stream, record } of difference.records) console.log(`  ${stream} ${JSON.stringify(record)}`);
    process.exit(1);
  }
  if (done.views.length === 0) {
    console.log(`${suite.name}: not compared${refused}`);
    continue;
  }
  compared += done.histories;
  console.log(
    `${suite.name}: ${done.histories} histories, ${done.records} records, ${done.views.join(' ')}: DuckDB, the run, ${done.hosts.join(', ')} agree; ${seconds} s${refused}`,
  );
}
console.log(`${compared} histories of ${chosen.length} pipelines agree.`);

function numberOf(name: 'histories' | 'seed', least: number): number {
  const value = Number(values[name]);
  if (Number.isSafeInteger(value) && value >= least) return value;
  console.error(`--${name} is ${values[name]}; it must be a whole number from ${least}.`);
  process.exit(2);
}
