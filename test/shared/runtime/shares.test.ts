import { expect, test } from 'vitest';
import { type AnyOutput, count, milliseconds, shareOfTotal, tumbling } from '#shared/pipeline/index.ts';
import { pipelineOf, readings, sink } from '../readings.ts';
import { reading, send } from './visits.ts';
import { punctuation, World } from './world.ts';

const shares = (placement: 'lambda' | 'fargate'): AnyOutput =>
  readings({ outOfOrderness: 1_000 })
    .keyBy((reading) => ({ key: reading.key }))
    .window(tumbling(milliseconds(10)), { allowedLateness: milliseconds(0), placement, refresh: milliseconds(1) })
    .aggregate('view', { n: count() })
    .derive({ share: shareOfTotal('n') })
    .to(sink);

test.each(['lambda', 'fargate'] as const)(
  'whoever reads between two writes of %s finds no shares above 1',
  async (placement) => {
    const world = new World(pipelineOf([shares(placement)], { slots: 4 }), ['a']);
    const sums: number[] = [];
    const look = async (): Promise<void> => {
      const rows = await world.reader().rows({ view: 'view', fromMs: 0 });
      if (rows.length > 0) sums.push(rows.reduce((sum, { share }) => sum + Number(share), 0));
    };
    const { writeRows, writeTotals } = world.results;
    Object.assign(world.results, {
      // A store takes them one by one.
      writeRows: async (rows: Parameters<typeof writeRows>[0]) => {
        let fenced = 0;
        for (const row of rows) {
          fenced += (await writeRows([row])).fenced;
          await look();
        }
        return { fenced };
      },
      writeTotals: async (totals: Parameters<typeof writeTotals>[0]) => {
        const outcome = await writeTotals(totals);
        await look();
        return outcome;
      },
    });
    for (let sequence = 1; sequence <= 5; sequence += 1) {
      await send(world, sequence, ...Array.from({ length: 8 * sequence }, (_, at) => reading(at % 10, `k${at % 7}`)));
      await world.aggregate();
      await world.work();
    }
    await world.preprocess().process({ shardId: 'a', records: [punctuation(6, 2_000)] });
    await world.aggregate();
    await world.work();
    expect(sums.length).toBeGreaterThan(20);
    expect(sums.filter((sum) => sum > 1 + 1e-9)).toEqual([]);
    expect(sums.at(-1)).toBeCloseTo(1, 9);
  },
);
