import type { Pipeline } from '#shared/pipeline/index.ts';
import { place } from '#shared/pipeline/placement.ts';
import { feedingStepsOf, isStep, type StepPlan, sourcesOf } from '#shared/pipeline/plan.ts';
import { computedOf, differences, leftRowsOf } from '#shared/testing/batch/compare.ts';
import type { Database } from '#shared/testing/batch/database.ts';
import { createRandom, type Random } from '#shared/testing/random.ts';
import { compareWithBatch, inTable, viewsOfBatch } from '#shared/testing/same-as-batch.ts';
import { build } from './build.ts';
import type { Drawn } from './drawing.ts';
import { movedOf } from './moved.ts';
import { type History, isOnTime } from './records.ts';
import { type Hosting, hostedOf, type Result, runOf, tablesOf } from './results.ts';
import { reordered, saidOtherwise } from './same.ts';
import { untoldOf } from './told.ts';

/** A pipeline, and what it is given. */
export interface Asked {
  readonly seed: number;
  readonly drawn: Drawn;
  readonly pipeline: Pipeline;
  readonly history: History;
  readonly database: Database;
}

/** Gives what is wrong, each as a line: nothing where all is well; undefined where it cannot be asked. */
export type Question = (asked: Asked, random: Random) => Promise<readonly string[] | undefined>;

/** What is asked of every pipeline and history: each says what its name claims. */
export const questions: Readonly<Record<string, Question>> = {
  'the whole schema reads as the scanner does': async (asked) => differ(asked, run(asked), run(asked, 'schema'), 'it'),
  'the compiled check reads as the scanner does': async (asked) => differ(asked, run(asked), run(asked, 'check'), 'it'),
  'said in other words it is the same': async (asked, random) => {
    const { name, drawn } = saidOtherwise(asked.drawn, random);
    const { pipeline } = build(drawn, Object.keys(asked.pipeline.outputs));
    return differ(asked, run(asked), run({ ...asked, pipeline }), name);
  },
  'another order of records that are not late is the same': async (asked, random) => {
    if (!asked.history.isOnTime) return undefined;
    const history = { ...asked.history, records: reordered(asked.drawn, asked.history.records, random) };
    return differ(asked, run(asked), run({ ...asked, history }), 'another order');
  },
  'a view is the same without the others': async (asked, random) => {
    const view = random.pick(Object.keys(asked.pipeline.outputs));
    const whole = run(asked);
    // A record that a view cannot use is none of any.
    if (whole.rejected !== 0) return undefined;
    const pipeline = withOnly(asked.drawn, view);
    if (pipeline === undefined) return undefined;
    const ofView = whole.rows.filter((row) => row.view === view);
    const alone = run({ ...asked, pipeline, history: ofStreams(asked.history, pipeline) });
    return differ(asked, { rows: ofView, counts: {} }, { ...alone, counts: {} }, view);
  },
  'the hosts as placed have the rows of a run': (asked) => hosted(asked, asked.pipeline, {}),
  'the worker alone has them': (asked, random) =>
    hosted(asked, inTable(asked.pipeline, 'fargate'), {
      slots: random.pick([1, 2, 4, 16]),
      exchangeShards: random.between(1, 3),
    }),
  'as much as may be on Lambda has them': (asked, random) =>
    hosted(asked, onLambda(asked.pipeline), { slots: random.pick([1, 4]), exchangeShards: random.between(1, 3) }),
  'what cannot be counted is the same wherever it runs': async ({ pipeline, history }) => {
    if (!history.isOnTime && untoldOf(pipeline).lateness.size > 0) return undefined;
    // How often a row changes, and each time cannot be used, is a matter of blocks.
    if (feedingStepsOf(pipeline.plan).some(({ op }) => op === 'running')) return undefined;
    const [placed, alone] = [
      await hostedOf(pipeline, history.records, {}),
      await hostedOf(inTable(pipeline, 'fargate'), history.records, { slots: 4 }),
    ].map(({ letters = [] }) => letters);
    if (JSON.stringify(placed) === JSON.stringify(alone)) return [];
    return [`the worker alone has the letters\n${alone?.join('\n')}\nwhere the hosts have\n${placed?.join('\n')}`];
  },
  'they have them whatever goes wrong': (asked, random) => {
    const pipeline = random.chance(0.5) ? asked.pipeline : inTable(asked.pipeline, 'fargate');
    const faults = { seed: random.below(1_000_000), kill: 0.04 };
    return hosted(asked, pipeline, { slots: 2, exchangeShards: 2, faults });
  },
  'a worker with little memory has them': (asked, random) =>
    hosted(asked, inTable(asked.pipeline, 'fargate'), {
      slots: random.pick([1, 4]),
      memory: { bytesMax: random.pick([1, 500, 20_000]), stops: random },
    }),
  'they have them when their state is moved to other slots': async (asked, random) => {
    // The logs before and after say nothing of one another's late records.
    if (!asked.history.isOnTime) return undefined;
    const { records } = asked.history;
    const pipeline = random.chance(0.5) ? asked.pipeline : inTable(asked.pipeline, 'fargate');
    const before = random.pick([2, 4]);
    const slots = [before, random.pick([before, before * 2, before / 2])] as const;
    const moved = await movedOf(pipeline, records, { read: random.below(records.length + 1), slots });
    return moved && differ(asked, run(asked), moved, 'it');
  },
  'they have them in batches and of several shards, where no record is late': async (asked, random) => {
    if (!asked.history.isOnTime) return undefined;
    const batchRecords = random.pick([2, 7, 100]);
    return hosted(asked, asked.pipeline, { slots: 2, shards: random.between(1, 3), exchangeShards: 2, batchRecords });
  },
  'DuckDB has them': async ({ database, pipeline, history }) => {
    if (!history.isPlain) return undefined;
    const { views } = await viewsOfBatch(database, pipeline, {});
    const { values } = untoldOf(pipeline);
    const said = views.filter((view) => !values.has(view));
    if (said.length === 0) return undefined;
    const driver = { tables: tablesOf(pipeline) };
    const [first] = await compareWithBatch(database, pipeline, [history.records], { views: said, driver });
    return first?.lines ?? [];
  },
};

/** What a host throws is wrong as well. */
export async function answerOf(question: Question, asked: Asked): Promise<readonly string[] | undefined> {
  try {
    return await question(asked, createRandom(asked.seed, 'question'));
  } catch (error) {
    return [(error as Error).stack ?? String(error)];
  }
}

/** Asks one question again of less: without views and records that make no difference to the answer. */
export async function lessOf(
  asked: Asked,
  question: Question,
): Promise<{ readonly asked: Asked; readonly lines: readonly string[] }> {
  const ask = async (one: Asked): Promise<readonly string[]> => (await answerOf(question, one)) ?? [];
  let least = asked;
  // A view of late records stands behind the one that it needs.
  for (const view of Object.keys(asked.pipeline.outputs).reverse()) {
    const others = Object.keys(least.pipeline.outputs).filter((other) => other !== view);
    try {
      const { pipeline } = build(asked.drawn, others);
      const less = { ...least, pipeline, history: ofStreams(least.history, pipeline) };
      if ((await ask(less)).length > 0) least = less;
    } catch {
      // It needs the view.
    }
  }
  for (let at = 0; at < least.history.records.length; ) {
    const records = least.history.records.toSpliced(at, 1);
    const history = { ...least.history, records, isOnTime: isOnTime(asked.drawn, records) };
    if ((await ask({ ...least, history })).length > 0) least = { ...least, history };
    else at += 1;
  }
  return { asked: least, lines: await ask(least) };
}

/** Undefined where the view needs another one: that of late records its window, and one of rows those that are shown early. */
function withOnly(drawn: Drawn, view: string): Pipeline | undefined {
  try {
    return build(drawn, [view]).pipeline;
  } catch {
    return undefined;
  }
}

/** Only of streams that the pipeline reads. */
function ofStreams(history: History, { plan }: Pipeline): History {
  const read = new Set(sourcesOf(plan).map(({ id }) => id));
  return { ...history, records: history.records.filter(({ stream }) => read.has(stream)) };
}

function run({ pipeline, history }: Asked, readBy?: 'schema' | 'check'): Result {
  return runOf(pipeline, history.records, readBy);
}

async function hosted(asked: Asked, pipeline: Pipeline, options: Hosting): Promise<readonly string[]> {
  const result = await hostedOf(pipeline, asked.history.records, options);
  const { batchRecords = 1 } = options;
  // How many are late in a batch is a matter of the batch.
  const ofBatch = batchRecords === 1 ? result : { ...result, counts: {} };
  return [...differ(asked, run(asked), ofBatch, 'it'), ...(result.sinks ?? [])];
}

function differ({ pipeline, history }: Asked, one: Result, other: Result, name: string): readonly string[] {
  const untold = untoldOf(pipeline);
  const left = leftRowsOf(pipeline);
  const isTold = (row: Result['rows'][number]): boolean => {
    const nothing = left.get(row.view);
    const isLeft = nothing !== undefined && Object.entries(nothing).every(([column, value]) => row[column] === value);
    return !isLeft && (history.isOnTime || !untold.lateness.has(row.view));
  };
  const expected = one.rows.filter(isTold).map((row) => ({ row, slack: {} }));
  const computed = computedOf(pipeline);
  const lines = [...differences(expected, other.rows.filter(isTold), { name, computed, left: new Map() })];
  if (!history.isOnTime && untold.lateness.size > 0) return lines;
  for (const [column, count] of Object.entries(other.counts)) {
    const [a, b] = [one.counts[column], count].map((found) => countText(found, untold.counts));
    if (a !== b) lines.push(`${name} counts ${column} ${b} where the run has ${a}`);
  }
  return lines;
}

/** A number of records, or those of steps that have any. */
function countText(count: unknown, untold: ReadonlySet<string>): string {
  if (typeof count !== 'object' || count === null) return JSON.stringify(count);
  const steps = Object.entries(count as Readonly<Record<string, { readonly counted: number; readonly late: number }>>);
  return JSON.stringify(
    steps
      .filter(([step, { counted, late }]) => !untold.has(step) && counted + late > 0)
      .map(([step, { counted, late }]) => `${step}: ${counted}, ${late} late`)
      .sort(),
  );
}

/** The pipeline with all on Lambda that may be there, and the views of late records beside the steps that find them. */
function onLambda(pipeline: Pipeline): Pipeline {
  const { plan } = pipeline;
  const feeding = new Set(feedingStepsOf(plan).map(({ id }) => id));
  const steps = plan.nodes.filter(isStep);
  const mayMove = (step: StepPlan): boolean => {
    if (step.op !== 'aggregate' || feeding.has(step.id)) return false;
    const views = steps.filter((other) => other.op === 'select' && other.lateOf === step.id);
    if (views.some(({ sinks }) => sinks.some(({ kind }) => kind !== 'dynamodb'))) return false;
    const definition = { ...step, name: step.id, placement: 'lambda' };
    return place(definition as unknown as Parameters<typeof place>[0]).refusal === undefined;
  };
  const moved = new Set(steps.filter(mayMove).map(({ id }) => id));
  const nodes = plan.nodes.map((node) => {
    const goes = isStep(node) && moved.has((node.op === 'select' ? node.lateOf : undefined) ?? node.id);
    return goes ? { ...node, placement: 'lambda' as const } : node;
  });
  return { ...pipeline, plan: { ...plan, nodes } };
}
