import { Buffer } from 'node:buffer';
import { gunzipSync } from 'node:zlib';
import { type Plan, type StepPlan, sinksOf, stepsOf } from '#shared/pipeline/plan.ts';
import type { PrintedRow } from '#shared/schemas/row.ts';
import { logsOf } from './exchange-log.ts';
import type { WorldEnd } from './world.ts';

/** Every final row is in exactly one file or waits for one, and stands exactly once in the view's stream for whoever reads it as documented. */
export async function checkSinks(end: WorldEnd, right: readonly PrintedRow[], wrong: string[]): Promise<void> {
  const { plan } = end.scenario.sim.pipeline;
  for (const step of stepsOf(plan)) {
    const { files, stream } = sinksOf(step);
    if (files === undefined && stream === undefined) continue;
    const rows = new Set(right.filter(({ view }) => view === step.id).map((row) => textOf(step, row)));
    if (stream !== undefined) compare(`the stream of ${step.id}`, rows, rowsOfStream(end, step.id), 0, wrong);
    if (files !== undefined) {
      const waiting = await waitingOf(end, plan, step.id);
      compare(`the files of ${step.id}`, rows, rowsOfFiles(end, step.id), waiting, wrong);
    }
  }
}

function compare(
  what: string,
  right: ReadonlySet<string>,
  found: readonly string[],
  waiting: number,
  wrong: string[],
): void {
  const seen = new Set<string>();
  for (const row of found) {
    if (seen.has(row)) wrong.push(`${what} hold twice ${row}`);
    if (!right.has(row)) wrong.push(`${what} hold ${row}, which is not so`);
    seen.add(row);
  }
  if (seen.size + waiting !== right.size)
    wrong.push(`${what} hold ${seen.size} rows, ${waiting} wait, and there are ${right.size}`);
}

/** Without what the place tells, and without what needs the other slots' totals. */
function textOf(step: StepPlan, { view: _view, final: _final, ...row }: PrintedRow): string {
  const columns: Record<string, unknown> = row;
  if (step.op === 'aggregate')
    for (const [name, { kind }] of Object.entries(step.derived)) if (kind === 'share-of-total') delete columns[name];
  return JSON.stringify(columns);
}

/** Nothing is packed but when a seed is shrunk, in a thread that loads the product as it is. */
function rowsOfFiles(end: WorldEnd, view: string): readonly string[] {
  return [...end.files]
    .filter(([name]) => name.startsWith(`${view}/`))
    .flatMap(([, bytes]) => (isGzip(bytes) ? gunzipSync(bytes) : Buffer.from(bytes)).toString().trimEnd().split('\n'));
}

/** As a reader has it who keeps the last place of each slot and passes over what is not behind it. */
function rowsOfStream(end: WorldEnd, view: string): readonly string[] {
  const stream = end.rowStreams.get(view);
  if (stream === undefined) return [];
  const rows: string[] = [];
  for (const log of logsOf(stream, end.scenario.sim.pipeline.plan.slots).values()) {
    let last = '';
    for (const { record } of log) {
      for (const line of Buffer.from(record.bytes).toString().trimEnd().split('\n')) {
        const { position, ...row } = JSON.parse(line) as {
          readonly position: { readonly log: string; readonly index: number };
        };
        const place = `${position.log} ${String(position.index).padStart(9, '0')}`;
        if (place <= last) continue;
        last = place;
        rows.push(JSON.stringify(row));
      }
    }
  }
  return rows;
}

async function waitingOf(end: WorldEnd, plan: Plan, view: string): Promise<number> {
  let sum = 0;
  for (let slot = 0; slot < plan.slots; slot += 1)
    sum += (await end.state.readCheckpoint('window', slot))?.steps[view]?.waiting ?? 0;
  return sum;
}

/** The magic of RFC 1952. */
function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}
