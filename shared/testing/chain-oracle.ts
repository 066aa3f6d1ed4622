import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import { columnsOf, type StepPlan, type TopPlan } from '#shared/pipeline/plan.ts';
import { encodeKey, type KeyColumns } from '#shared/schemas/key.ts';
import type { PrintedRow } from '#shared/schemas/row.ts';
import { deriveNaively } from './derived-oracle.ts';
import { isJson } from './join-oracle.ts';
import type { Evaluation, OracleOutput, OracleRejection } from './oracle.ts';
import { type Fresh, walk } from './walk.ts';

/** What the final rows of a step become as records of the steps that read them. */
export function outputsOfRows(
  pipeline: Pipeline,
  step: StepPlan,
  rows: readonly PrintedRow[],
): { readonly outputs: readonly OracleOutput[]; readonly rejections: readonly OracleRejection[] } {
  const outputs: OracleOutput[] = [];
  const rejections: OracleRejection[] = [];
  for (const [number, row] of rows.entries()) {
    const { value, timeMs, key } = recordOf(step, row);
    const found: Fresh[] = [];
    let reason: 'invalid' | 'threw' | undefined;
    try {
      if (!walk(pipeline, step.id, value, timeMs, found)) reason = 'invalid';
    } catch {
      reason = 'threw';
    }
    const recordId = `${step.id}/row ${number}`;
    if (reason !== undefined) rejections.push({ id: `${step.id}/${key}/${timeMs}`, reason });
    else for (const [at, output] of found.entries()) outputs.push({ ...output, id: `${recordId}/${at}`, recordId });
  }
  return { outputs, rejections };
}

/** A printed row as the callbacks get it: without what is computed when it is read, and with times for texts. */
function recordOf(
  step: StepPlan,
  { view: _view, final, ...rest }: PrintedRow,
): { readonly value: Readonly<Record<string, unknown>>; readonly timeMs: number; readonly key: string } {
  const { kept, derived } = columnsOf(step);
  const row: Readonly<Record<string, unknown>> = kept.includes('final') ? { final, ...rest } : rest;
  // A ranked row's key is its rank; what it was keyed by before is a column like others.
  const isKey = (name: string): boolean =>
    step.op === 'top' && step.ties === undefined
      ? name === 'rank'
      : ![...kept, ...derived, 'windowStart', 'windowEnd'].includes(name);
  const value: Record<string, unknown> = {};
  for (const [name, column] of Object.entries(row)) {
    if (derived.includes(name)) continue;
    value[name] = timeNames(step).includes(name) && typeof column === 'string' ? new Date(column) : column;
  }
  // Its last row, once: what changes on the way adds up to it.
  if (step.op === 'running') value['change'] = 1;
  const times = ['leftTime', 'rightTime', 'time', 'windowEnd'].flatMap((name) =>
    value[name] instanceof Date ? [Number(value[name])] : [],
  );
  const newestMs = Math.max(...times) - ('windowEnd' in value ? 1 : 0);
  const key = Object.fromEntries(Object.entries(value).filter(([name]) => isKey(name)));
  return { value, timeMs: Number.isFinite(newestMs) ? newestMs : 0, key: encodeKey(key as KeyColumns) };
}

function timeNames(step: StepPlan): readonly string[] {
  if (step.op === 'join') return ['leftTime', 'rightTime'];
  if (step.op === 'process') return step.does.kind === 'table-join' ? ['time', 'tableTime'] : ['time'];
  return ['windowStart', 'windowEnd'];
}

/** All rows of a window beside one another, sorted, and cut off behind the last rank. `totals` are those of the windows of all steps. */
export function topRowsOf(
  step: TopPlan,
  evaluation: Evaluation,
  totals: ReadonlyMap<string, Readonly<Record<string, unknown>>>,
): readonly PrintedRow[] {
  const candidates = [...evaluation.outputs.values()].filter((output) => output.route === step.input);
  const times = [...new Set(candidates.map((output) => output.timeMs))].sort((a, b) => a - b);
  return times.flatMap((timeMs) =>
    candidates
      .filter((output) => output.timeMs === timeMs)
      .map(({ value }) => {
        const { windowStart, windowEnd, ...row } = value as Readonly<Record<string, unknown>>;
        const names = Object.keys(row).filter((name) => !Object.hasOwn(step.aggregates, name));
        const key = Object.fromEntries(names.sort().map((name) => [name, row[name]])) as KeyColumns;
        const own = Object.fromEntries(Object.keys(step.aggregates).map((name) => [name, row[name]]));
        const [startMs, endMs] = [Number(windowStart), Number(windowEnd)];
        const total = totals.get(`${step.source}/${startMs}/${endMs}`) ?? {};
        const columns = { ...own, ...deriveNaively(step, own, total, endMs - startMs) };
        const by = numberAt(columns, step.by);
        return { key, text: encodeKey(key), columns, by, windowStart: windowStart as Date };
      })
      .filter((row): row is typeof row & { readonly by: number } => row.by !== null)
      .sort((a, b) => b.by - a.by || (a.text < b.text ? -1 : 1))
      .map((row, at, all) => {
        const { ties } = step;
        if (ties === undefined) return { ...row, place: at + 1, before: { rank: at + 1, ...row.key } };
        const place = 1 + all.filter((other) => other.by > row.by).length;
        return { ...row, place, before: ties.as === null ? row.key : { ...row.key, [ties.as]: place } };
      })
      .filter(({ place }) => place <= step.count)
      // Rows that keep their keys lie in the order of those.
      .sort((a, b) => (step.ties === undefined ? 0 : a.text < b.text ? -1 : 1))
      .map(
        ({ before, columns, windowStart }) =>
          ({
            view: step.id,
            windowStart: windowStart.toISOString(),
            windowEnd: new Date(timeMs + 1).toISOString(),
            final: true,
            ...before,
            ...columns,
          }) as unknown as PrintedRow,
      ),
  );
}

/** What stands at a path, such as `latency.p99`; null where nothing does. */
function numberAt(row: Readonly<Record<string, unknown>>, path: string): unknown {
  return path.split('.').reduce<unknown>((value, name) => Object(value)[name], row) ?? null;
}

/** Whether a row can be ranked, and wait for it as JSON. */
export function isRankable(step: TopPlan, row: Readonly<Record<string, unknown>>): boolean {
  const { windowStart: _start, windowEnd: _end, ...columns } = row;
  const derived = Object.hasOwn(step.derived ?? {}, step.by) ? step.derived?.[step.by] : undefined;
  // What is computed is null where there is no number.
  const isComputed = derived !== undefined && !['share-of-total', 'rate'].includes(derived.kind);
  const value = isComputed ? null : numberAt(columns, derived?.columns[0] ?? step.by);
  const isRanked = isComputed ? deriveNaively(step, columns, {}, 1)[step.by] !== null : value !== null;
  if (!isRanked) return true;
  return value === null || (Number.isFinite(value) && Object.values(columns).every(isJson));
}
