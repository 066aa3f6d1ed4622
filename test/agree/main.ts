import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { hookLoading } from '../simulation/load.ts';

// Without compression, and so before the product is loaded.
hookLoading();
const { agree } = await import('./agree.ts');
const { agreeOnQueries } = await import('./queries/agree.ts');
const { shapeNames } = await import('./queries/queries.ts');
const { suites, untold } = await import('./suites.ts');
const { tryPipeline } = await import('./drawn/drawn.ts');

const help = `npm run agree -- [options]

Compares every window pipeline of the tests and of pipelines/ with DuckDB, and with itself in a run, on Lambda and on the worker, on generated
histories: records out of order, late and repeated.

  --histories N   how many for each pipeline (default 200)
  --seed S        which (default 1)
  --suite TEXT    only pipelines whose name has this text
  --after NAME    only pipelines behind that of this name, to go on where a run was broken off
  --processes N   over how many the pipelines are spread (default 1)
  --drawn N       N pipelines that are drawn by chance, from --seed on, in place of those; on 4 histories each, or as --histories says
  --queries N     N queries of SQL that are drawn by chance, from --seed on, in place of those, each over tables of its own, and beside DuckDB
  --shape NAME    only queries that end with one of ${shapeNames.join(', ')}
`;

const { values } = parseArgs({
  options: {
    histories: { type: 'string' },
    drawn: { type: 'string' },
    seed: { type: 'string', default: '1' },
    suite: { type: 'string', default: '' },
    after: { type: 'string' },
    processes: { type: 'string', default: '1' },
    part: { type: 'string', default: '0' },
    queries: { type: 'string' },
    shape: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(help);
  process.exit(0);
}
const seed = numberOf('seed', 0);
const processes = numberOf('processes', 1);
// A process of several has every so manieth pipeline.
const part = numberOf('part', 0);
if (processes > 1 && part === 0) process.exit(await spread());
if (values.queries !== undefined) process.exit(await compareQueries());
if (values.drawn !== undefined) process.exit(await tryDrawn());

const histories = numberOf('histories', 1, 200);
const after = suites.findIndex(({ name }) => name === values.after);
const chosen = suites.slice(after + 1).filter(({ name }) => name.includes(values.suite));
if (chosen.length === 0 || (values.after !== undefined && after === -1)) {
  const wanted = values.after === undefined ? '' : ` behind ${values.after}`;
  console.error(
    `no pipeline${wanted} has ${values.suite} in its name; there are ${suites.map(({ name }) => name).join(', ')}.`,
  );
  process.exit(2);
}

const mine = part === 0 ? chosen : chosen.filter((_, index) => index % processes === part - 1);

if (part <= 1) for (const one of untold) console.log(`${one}; it is not compared`);
let compared = 0;
for (const suite of mine) {
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
console.log(`${compared} histories of ${mine.length} pipelines agree.`);

/** The exit code. */
async function tryDrawn(): Promise<number> {
  const [count, histories] = [numberOf('drawn', 1), numberOf('histories', 1, 4)];
  const done = { pipelines: 0, histories: 0, records: 0, answers: 0 };
  for (let number = Math.max(0, part - 1); number < count; number += processes) {
    const { difference, ...tried } = await tryPipeline(seed + number, histories);
    done.pipelines += 1;
    done.histories += tried.histories;
    done.records += tried.records;
    done.answers += tried.answers;
    if (difference === undefined) continue;
    console.log(
      `pipeline ${seed + number}: DIFFERENT, with --drawn 1 --seed ${seed + number} --histories ${histories}`,
    );
    for (const line of difference) console.log(line);
    return 1;
  }
  const { pipelines, records, answers } = done;
  console.log(
    `${pipelines} drawn pipelines, ${done.histories} histories, ${records} records: ${answers} answers agree.`,
  );
  return 0;
}

/** The exit code. */
async function compareQueries(): Promise<number> {
  const shape = shapeNames.find((name) => name === values.shape);
  if (values.shape !== undefined && shape === undefined) {
    console.error(`no query ends with ${values.shape}; there are ${shapeNames.join(', ')}.`);
    return 2;
  }
  const queries = numberOf('queries', 1);
  const { difference, ...done } = await agreeOnQueries({
    queries,
    seed: seed + Math.max(0, part - 1),
    every: processes,
    shape,
    onProgress: (count) => {
      if (count % 1_000 === 0 && count < queries)
        console.log(`${count} queries agree, up to --seed ${seed + count - 1}`);
    },
  });
  for (const [who, reasons] of [['Millrace', done.refused] as const, ['DuckDB', done.unasked] as const])
    for (const [why, count] of [...reasons].sort(([, a], [, b]) => b - a))
      console.log(`${who} refuses ${count}: ${why}`);
  if (difference === undefined) {
    console.log(`${done.compared} of ${done.drawn} queries, ${done.rows} rows: Millrace and DuckDB agree.`);
    return 0;
  }
  const only = shape === undefined ? '' : ` --shape ${shape}`;
  console.log(`DIFFERENT: npm run agree -- --queries 1 --seed ${difference.seed}${only}`);
  for (const line of difference.lines) console.log(line);
  return 1;
}

/** Starts the processes; the exit code of the first that fails. */
async function spread(): Promise<number> {
  const codes = await Promise.all(
    Array.from({ length: processes }, (_, index) => {
      const script = fileURLToPath(import.meta.url);
      const child = spawn(
        process.execPath,
        [...process.execArgv, script, ...process.argv.slice(2), '--part', String(index + 1)],
        {
          stdio: 'inherit',
        },
      );
      return new Promise<number>((resolve) => child.on('exit', (code) => resolve(code ?? 1)));
    }),
  );
  return codes.find((code) => code !== 0) ?? 0;
}

function numberOf(
  name: 'histories' | 'seed' | 'processes' | 'part' | 'drawn' | 'queries',
  least: number,
  unless = 0,
): number {
  const value = Number(values[name] ?? unless);
  if (Number.isSafeInteger(value) && value >= least) return value;
  console.error(`--${name} is ${values[name]}; it must be a whole number from ${least}.`);
  process.exit(2);
}
