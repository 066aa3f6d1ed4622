import { emitKeypressEvents } from 'node:readline';
import type { LocalStack } from '#local/stack.ts';
import type { Derived } from '#shared/pipeline/derive.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import { type AggregatePlan, columnsOf, sinksOf, stepsOf, type TopPlan, viewsOf } from '#shared/pipeline/plan.ts';
import { rankColumn } from '#shared/pipeline/rows.ts';
import type { Counts, Progress, Reader } from '#shared/runtime/read.ts';
import type { PrintedRow } from '#shared/schemas/row.ts';
import { toIso } from '#shared/schemas/time.ts';
import type { Chaos } from './chaos.ts';
import type { Feed } from './feed.ts';
import { createScreen } from './screen.ts';
import { describeWorkers } from './worker-view.ts';

export interface Live {
  readonly stop: () => void;
}

const refreshMs = 1_000;
/** Somebody who reads a file or a pipe wants fewer tables, once there is something in them. */
const refreshMsPlain = 5_000;
const rowsShown = 10;
const barWidth = 24;
const viewsShown = 3;
const rowsOfViewShown = 3;
/** The lines that say that there are no rows. */
const noRows = 2;

/** What is shown while a stack runs: shares, rates, lag and what was kept right. On a terminal it stays in place, and keys work. */
export function startLive(it: {
  readonly pipeline: Pipeline;
  readonly stack: LocalStack;
  readonly reader: Reader;
  readonly feed: Feed;
  readonly chaos: Chaos;
  readonly logPath: string;
  readonly once: boolean;
  readonly onQuit: () => void;
}): Live {
  const screen = process.stdout.isTTY === true ? createScreen(process.stdout) : undefined;
  let table: readonly string[] = [];
  let note = '';
  let problem = '';
  let stopped = false;
  let pushedBefore = 0;
  let shownMs = performance.now();
  let hasRows = false;
  printAddresses(it);

  const notes = (): readonly string[] => [...it.stack.failures(), note, problem].filter((line) => line !== '');
  const draw = (): void => screen?.draw(table, notes());
  const show = async (): Promise<void> => {
    try {
      const { lines, hasRows: found } = await describe(it, { pushedBefore, elapsedMs: performance.now() - shownMs });
      hasRows = found;
      pushedBefore = it.feed.pushedCount();
      shownMs = performance.now();
      table = lines;
      problem = '';
    } catch (error) {
      problem = `the view cannot be read yet: ${error instanceof Error ? error.message : String(error)}`;
    }
    if (stopped) return;
    if (screen === undefined) process.stdout.write(`${[...(problem === '' ? table : []), ...notes()].join('\n')}\n\n`);
    draw();
    timer = setTimeout(() => void show(), screen !== undefined || !hasRows ? refreshMs : refreshMsPlain);
  };
  let timer = setTimeout(() => void show(), refreshMs);
  const keys = listenToKeys({
    k: () => {
      note = `${it.chaos.killOne()}   so far ${it.chaos.summary()}`;
      draw();
    },
    q: it.onQuit,
  });
  return {
    stop: () => {
      stopped = true;
      clearTimeout(timer);
      keys.stop();
    },
  };
}

function printAddresses(it: Parameters<typeof startLive>[0]): void {
  const out = it.once ? process.stderr : process.stdout;
  out.write(`${addresses(it).join('\n')}\n\n`);
}

function addresses({ stack, logPath }: Parameters<typeof startLive>[0]): readonly string[] {
  const { kinesis, dynamodb, sqs, s3 } = stack.endpoints;
  return [
    `read API   ${stack.readUrl}/views`,
    `streams    ${[...stack.rawStreams.values()].join(', ')}`,
    `results    ${[stack.resultsTable, ...sinkAddresses(stack.sinks)].join(', ')}`,
    `export AWS_ENDPOINT_URL_KINESIS=${kinesis} AWS_ENDPOINT_URL_DYNAMODB=${dynamodb}`,
    `export AWS_ENDPOINT_URL_SQS=${sqs} AWS_ENDPOINT_URL_S3=${s3}`,
    // The SDK for Python knows the second name only.
    'export AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1 AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local',
    `logs       ${logPath}${process.stdin.isTTY === true ? '   keys: k kills a Lambda or the worker, q quits' : ''}`,
  ];
}

function sinkAddresses({ archiveBucket, streams }: LocalStack['sinks']): readonly string[] {
  return [...(archiveBucket === undefined ? [] : [`s3://${archiveBucket}`]), ...Object.values(streams)];
}

async function describe(
  it: Parameters<typeof startLive>[0],
  before: { readonly pushedBefore: number; readonly elapsedMs: number },
): Promise<{ readonly lines: readonly string[]; readonly hasRows: boolean }> {
  const counts = await it.reader.counts();
  const progress = await it.reader.progress();
  const perSecond = Math.round(((it.feed.pushedCount() - before.pushedBefore) * 1_000) / before.elapsedMs);
  const step = stepsOf(it.pipeline.plan)
    .filter((candidate) => candidate.op === 'aggregate' || candidate.op === 'top')
    .find((candidate) => sinksOf(candidate).table !== undefined && shareOf(candidate) !== undefined);
  const table =
    step === undefined
      ? await describeNewest(it.stack.readUrl, viewsOf(it.pipeline.plan))
      : await describeShares(it.stack.readUrl, step);
  const lines = [
    ...table,
    ...describeCounts(it, perSecond, counts),
    ...progress.map(describeProgress),
    ...(it.stack.worker === undefined ? [] : await describeWorkers(it.stack.worker)),
    describeWork(it.stack),
  ];
  return { lines, hasRows: table.length > noRows };
}

function shareOf({ derived = {} }: AggregatePlan | TopPlan): readonly [name: string, Derived<string>] | undefined {
  return Object.entries(derived).find(([, { kind }]) => kind === 'share-of-total');
}

async function describeShares(readUrl: string, step: AggregatePlan | TopPlan): Promise<readonly string[]> {
  const [share, derived] = shareOf(step) ?? ['', undefined];
  // Rows go by the column that is shared; where that is a part of a column, by the share.
  const shared = derived?.columns[0] ?? '';
  const by = shared.includes('.') ? share : shared;
  const response = await fetch(`${readUrl}/views/${step.id}?top=${rowsShown}&by=${by}`);
  if (!response.ok) throw new Error(`the read API answered ${response.status}`);
  const rows = (await response.json()) as readonly PrintedRow[];
  const [first] = rows;
  if (first === undefined) return [`${step.id}: no rows yet`, ''];
  const { kept, derived: others } = columnsOf(step);
  const notKeys = new Set(['view', 'windowStart', 'windowEnd', 'final', rankColumn, ...kept, ...others]);
  const keyColumns = Object.keys(first).filter((name) => !notKeys.has(name));
  const lines = rows.map((row) => {
    // Null while the total has not come, and for a share of nothing.
    const value = Number(row[share] ?? Number.NaN);
    const percent = Number.isNaN(value) ? '–' : (100 * value).toFixed(1);
    const bar = '█'.repeat(Math.round((value || 0) * barWidth));
    const key = keyColumns.map((name) => String(row[name])).join(' ');
    return `  ${key.padEnd(18)} ${percent.padStart(5)} % ${bar.padEnd(barWidth)} ${String(row[by]).padStart(12)} ${by}`;
  });
  return [
    `${step.id}, share of ${by} in ${first.windowStart} … ${first.windowEnd}${first.final ? ', final' : ''}`,
    ...lines,
    '',
  ];
}

/** The newest rows of the first views, for a pipeline without shares. */
async function describeNewest(readUrl: string, views: readonly string[]): Promise<readonly string[]> {
  if (views.length === 0) return [];
  const lines: string[] = [];
  for (const view of views.slice(0, viewsShown)) {
    const response = await fetch(`${readUrl}/views/${view}?top=${rowsOfViewShown}`);
    if (!response.ok) throw new Error(`the read API answered ${response.status}`);
    const rows = (await response.json()) as readonly PrintedRow[];
    if (rows.length === 0) continue;
    lines.push(`${view}, newest`, ...rows.map(describeRow), '');
  }
  return lines.length === 0 ? [`${views.slice(0, viewsShown).join(', ')}: no rows yet`, ''] : lines;
}

function describeRow({ view: _view, final, ...columns }: PrintedRow): string {
  const shown = Object.entries(columns).map(
    ([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  // What is never final does not say so.
  return `  ${[...shown, ...(final === false ? ['so far'] : [])].join('   ')}`;
}

/** Each line is for a terminal of 80 columns: what is cut there must not be what was lost. */
function describeCounts(
  { feed, stack }: Pick<Parameters<typeof startLive>[0], 'feed' | 'stack'>,
  perSecond: number,
  { sent, counted, filtered, late, rejected, duplicates }: Counts,
): readonly string[] {
  return [
    `pushed ${feed.pushedCount()} (${perSecond}/s)   duplicates suppressed ${duplicates}   dead letters ${stack.deadLetters().length}`,
    `told apart ${sent}: counted ${counted}, filtered ${filtered}, late ${late}, rejected ${rejected}`,
  ];
}

function describeProgress({ stage, source, watermarkMs }: Progress): string {
  if (watermarkMs === null) return `${stage.padEnd(9)} ${source}: no watermark yet`;
  const lagMs = Date.now() - watermarkMs;
  // A lag is a lag only for traffic of today; a log of last year has no hurry.
  const lag = Math.abs(lagMs) < 3_600_000 ? `, ${(lagMs / 1_000).toFixed(1)} s behind the clock` : '';
  return `${stage.padEnd(9)} ${source}: watermark ${toIso(watermarkMs)}${lag}`;
}

function describeWork(stack: LocalStack): string {
  const coldStarts = [...stack.functions.values()].reduce((sum, lambda) => sum + lambda.environments().coldStarts, 0);
  const worker = stack.worker === undefined ? '' : `, worker starts ${stack.worker.startCount()}`;
  return `iterator age ${(stack.iteratorAgeMs() / 1_000).toFixed(1)} s   cold starts ${coldStarts}${worker}`;
}

function listenToKeys(actions: Readonly<Record<string, () => void>>): { readonly stop: () => void } {
  if (process.stdin.isTTY !== true) return { stop: () => {} };
  emitKeypressEvents(process.stdin);
  process.stdin.setRawMode(true);
  const onKey = (_: string, key: { readonly name?: string; readonly ctrl?: boolean }): void => {
    // In raw mode the terminal sends no signal for Control-C.
    if (key.ctrl === true && key.name === 'c') process.kill(process.pid, 'SIGINT');
    else actions[key.name ?? '']?.();
  };
  process.stdin.on('keypress', onKey);
  return {
    stop: () => {
      process.stdin.off('keypress', onKey);
      process.stdin.setRawMode(false);
      process.stdin.pause();
    },
  };
}
