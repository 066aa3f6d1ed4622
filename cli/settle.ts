import { setTimeout } from 'node:timers/promises';
import type { LocalStack } from '#local/stack.ts';
import { eventTimeMsMin } from '#shared/engine/decode/decode.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import { viewsOf } from '#shared/pipeline/plan.ts';
import type { Counts, Reader } from '#shared/runtime/read.ts';
import { hasCode, MillraceError } from '#shared/schemas/error.ts';
import { endOfStreamMs } from '#shared/schemas/punctuation.ts';
import type { PrintedRow } from '#shared/schemas/row.ts';
import type { Feed } from './feed.ts';

const pollMs = 200;
/** Without any progress for so long, something is broken that waiting does not mend. */
const stuckMs = 120_000;

/** Waits until every record is told apart, every window is final and every row that goes into a file is in one. `SOURCE_UNAVAILABLE` when nothing moves any more. */
export async function waitUntilFinal(it: {
  readonly pipeline: Pipeline;
  readonly stack: LocalStack;
  readonly reader: Reader;
  readonly feed: Pick<Feed, 'pushedCount'>;
  /** The watermark at which every window that is to become final is. */
  readonly endMs: number;
  readonly folder: string;
}): Promise<Counts> {
  let last = '';
  let movedMs = performance.now();
  for (;;) {
    const progress = await it.reader.progress();
    const counts = await it.reader.counts();
    const { sent, counted, filtered, late, rejected, waiting } = counts;
    const isThrough = sent >= it.feed.pushedCount() && sent === counted + filtered + late + rejected;
    if (
      isThrough &&
      progress.every(({ watermarkMs }) => watermarkMs !== null && watermarkMs >= it.endMs) &&
      waiting === 0
    )
      return counts;
    const now = JSON.stringify([progress, counts]);
    if (now !== last) movedMs = performance.now();
    last = now;
    if (performance.now() - movedMs > stuckMs) {
      throw new MillraceError(
        'SOURCE_UNAVAILABLE',
        `nothing has moved for ${stuckMs / 1_000} s: ${[now, ...it.stack.failures()].join('; ')}. What the functions and the worker said is in ${it.folder}.`,
      );
    }
    await setTimeout(pollMs);
  }
}

/** All rows of all views in the table, sorted by view, window start and key. */
export async function finalRows(pipeline: Pipeline, reader: Reader): Promise<readonly PrintedRow[]> {
  const rows: PrintedRow[] = [];
  for (const view of viewsOf(pipeline.plan).toSorted())
    rows.push(...(await rowsBetween(reader, view, eventTimeMsMin, endOfStreamMs + 1)));
  return rows;
}

/** A range that holds more rows than one query may give is read in halves. */
async function rowsBetween(reader: Reader, view: string, fromMs: number, toMs: number): Promise<readonly PrintedRow[]> {
  try {
    return await reader.rows({ view, fromMs, toMs });
  } catch (error) {
    if (!hasCode(error, 'QUERY_INVALID') || toMs - fromMs < 2) throw error;
    const middleMs = Math.floor((fromMs + toMs) / 2);
    return [
      ...(await rowsBetween(reader, view, fromMs, middleMs)),
      ...(await rowsBetween(reader, view, middleMs, toMs)),
    ];
  }
}
