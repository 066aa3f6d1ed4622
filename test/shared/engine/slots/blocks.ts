import type { CompiledPipeline } from '#shared/engine/compile/compile.ts';
import type { PlacedBlock } from '#shared/engine/slots/slot.ts';
import type { Block, Roster } from '#shared/schemas/block.ts';
import { logPosition, outputsPerRecordMax, type RecordPosition, subMax } from '#shared/schemas/position.ts';

/** One output, as short as a test can say it: its record's sequence number, its time, its amount and its key. */
export interface TestOutput {
  readonly record: number;
  readonly at: number;
  readonly amount?: number;
  readonly key?: string;
  /** Which record of the raw record, and which output of it. */
  readonly line?: number;
  readonly index?: number;
  readonly shares?: number;
  readonly route?: string;
}

export interface TestBlock {
  /** Where the block stands in the slot's log. */
  readonly at: number;
  readonly generation?: number;
  readonly arrival?: number;
  readonly slot?: number;
  readonly shard?: string;
  readonly source?: string;
  /** Up to the end of this record, or up to this output of it. */
  readonly to?: number | RecordPosition;
  readonly watermark?: number | null;
  readonly roster?: Roster;
  readonly outputs?: readonly TestOutput[];
}

/** A block in its place. Values are the amount in every column that the route has. */
export function placed(pipeline: CompiledPipeline, block: TestBlock): PlacedBlock {
  return {
    block: blockOf(pipeline, block),
    position: logPosition(block.generation ?? 1, String(block.at)),
    arrivalMs: block.arrival ?? block.at,
  };
}

/** A block without an origin. */
export function tick(pipeline: CompiledPipeline, at: number, arrival: number): PlacedBlock {
  const { origin: _, ...block } = blockOf(pipeline, { at });
  return { block, position: logPosition(1, String(at)), arrivalMs: arrival };
}

function blockOf(pipeline: CompiledPipeline, block: TestBlock): Block {
  const outputs = block.outputs ?? [];
  const shard = block.shard ?? 'a';
  const to = block.to ?? outputs.at(-1)?.record ?? block.at;
  const [firstRoute = ''] = pipeline.routes.keys();
  const routes = new Set(outputs.map((output) => output.route ?? firstRoute));
  return {
    version: 1,
    pipeline: pipeline.id,
    plan: pipeline.planHash,
    slots: pipeline.slots,
    slot: block.slot ?? 0,
    origin: {
      source: block.source ?? ([...pipeline.sources.keys()][0] as string),
      shard,
      from: null,
      to: typeof to === 'number' ? [String(to), subMax] : to,
      watermarkMs: block.watermark ?? null,
      roster: block.roster ?? { [shard]: [] },
    },
    routes: [...routes].map((route) => {
      const ofRoute = outputs.filter((output) => (output.route ?? firstRoute) === route);
      const columns = pipeline.routes.get(route)?.columns ?? [];
      return {
        route,
        sequences: ofRoute.map((output) => String(output.record)),
        sequence: ofRoute.map((_, index) => index),
        sub: ofRoute.map((output) => (output.line ?? 0) * outputsPerRecordMax + (output.index ?? 0)),
        timeMs: ofRoute.map((output) => output.at),
        keys: ofRoute.map((output) => `key=${output.key ?? 'k'}`),
        key: ofRoute.map((_, index) => index),
        shares: ofRoute.map((output) => output.shares ?? 1),
        // A column of the reading's amount, or a count of 1.
        columns: columns.map((column) =>
          ofRoute.map((output) =>
            column.select({ at: output.at, key: output.key ?? 'k', amount: output.amount ?? 1 }, output.at),
          ),
        ),
      };
    }),
  };
}
