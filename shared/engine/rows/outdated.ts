import type { CompiledAggregate } from '#shared/engine/compile/compile.ts';
import { type Row, rowOrder } from '#shared/schemas/row.ts';

/** Without provisional rows that are about to be taken back, since another row has what they have. */
export function withoutOutdated({ plan }: CompiledAggregate, rows: readonly Row[]): readonly Row[] {
  if (!rows.some(isProvisional)) return rows;
  const outdatedOf = plan.window.kind === 'count' ? outdatedCounts : outdatedSessions;
  const ofKeys = [...Map.groupBy(rows, ({ key }) => key).values()];
  const outdated = new Set(ofKeys.flatMap((ofKey) => (ofKey.some(isProvisional) ? [...outdatedOf(ofKey)] : [])));
  return rows.filter((row) => !outdated.has(row));
}

function isProvisional({ provisional }: Row): boolean {
  return provisional !== undefined;
}

/**
 * Those beside which there is a newer row from their start or before to their end or behind. Sessions only grow; one that begins before the
 * end of a closed one, with a record that alone was not late, ends behind that.
 */
function* outdatedSessions(rows: readonly Row[]): Generator<Row> {
  const starts = [...new Set(rows.map(({ windowStartMs }) => windowStartMs))].sort((a, b) => a - b);
  const places = new Map(starts.map((startMs, place) => [startMs, place]));
  const newer = new LatestEnds(starts.length);
  const byOrder = [...Map.groupBy(rows, rowOrder)].sort(([a], [b]) => (a < b ? 1 : -1));
  for (const [, ofOrder] of byOrder) {
    const placed = ofOrder.map((row) => ({ row, place: places.get(row.windowStartMs) as number }));
    for (const { row, place } of placed) if (isProvisional(row) && newer.upTo(place) >= row.windowEndMs) yield row;
    for (const { row, place } of placed) newer.note(place, row.windowEndMs);
  }
}

/** Of the windows that begin in one millisecond all but the last lie in it, and have ids of their own. */
function* outdatedCounts(rows: readonly Row[]): Generator<Row> {
  for (const ofStart of Map.groupBy(rows, ({ windowStartMs }) => windowStartMs).values()) {
    const newest = new Map<string | undefined, string>();
    let newestBehind = '';
    for (const row of ofStart) {
      const order = rowOrder(row);
      if (order > (newest.get(row.id) ?? '')) newest.set(row.id, order);
      if (row.windowEndMs > row.windowStartMs + 1 && order > newestBehind) newestBehind = order;
    }
    for (const row of ofStart) {
      const order = rowOrder(row);
      if (isProvisional(row) && (newestBehind > order || (newest.get(row.id) as string) > order)) yield row;
    }
  }
}

/** The latest of the ends that were noted for starts, which have places in their order: a tree of maxima over ranges of them (Fenwick's). */
class LatestEnds {
  readonly #ends: Float64Array;

  constructor(count: number) {
    this.#ends = new Float64Array(count + 1).fill(Number.NEGATIVE_INFINITY);
  }

  note(place: number, endMs: number): void {
    for (let at = place + 1; at < this.#ends.length; at += at & -at)
      this.#ends[at] = Math.max(this.#ends[at] as number, endMs);
  }

  /** Of all starts up to the one at `place`. */
  upTo(place: number): number {
    let latestMs = Number.NEGATIVE_INFINITY;
    for (let at = place + 1; at > 0; at -= at & -at) latestMs = Math.max(latestMs, this.#ends[at] as number);
    return latestMs;
  }
}
