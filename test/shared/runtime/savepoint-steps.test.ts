import { describe, expect, test } from 'vitest';
import { createMemoryBlobStore } from '#shared/adapters/memory/blob-store.ts';
import {
  type AnyOutput,
  countWindow,
  cumulative,
  everyTime,
  global,
  milliseconds,
  session,
  shareOfTotal,
  sum,
  tumbling,
} from '#shared/pipeline/index.ts';
import { restoreSavepoint } from '#shared/runtime/savepoint-restore.ts';
import { columns, type Reading, sink } from '../readings.ts';
import {
  end,
  keyed,
  keys,
  lines,
  more,
  rawStreams,
  save,
  settle,
  take,
  worldOfOutputs as worldOf,
} from './savepoints.ts';
import type { World } from './world.ts';

describe('a savepoint', () => {
  test.each([
    ['lambda', { slots: 4 }],
    ['lambda', { slots: 1 }],
    ['fargate', { slots: 4 }],
    ['fargate', { slots: 1 }],
  ] as const)(
    'of windows that begin together, on %s, leaves no total of the slots from before: %j',
    async (placement, options) => {
      const soFar: AnyOutput = keyed
        .window(cumulative(milliseconds(20), { step: milliseconds(5) }), {
          allowedLateness: milliseconds(0),
          refresh: milliseconds(1),
          placement,
        })
        .aggregate('so-far', { total: sum((reading: Reading) => reading.amount) })
        .derive({ share: shareOfTotal('total') })
        .to(sink);
      const [world, whole] = [worldOf({ slots: 2 }, [soFar]), worldOf({ slots: 2 }, [soFar])];
      for (const one of [world, whole]) {
        await take(one, 1, lines.join('\n'));
        await settle(one);
      }
      const store = createMemoryBlobStore();
      const manifest = await save(world, store);
      const next = worldOf(options, [soFar]);
      // The table of results stays.
      const { rows, totals } = world.results.dump();
      await next.results.writeRows(rows);
      await next.results.writeTotals(totals);
      await restoreSavepoint({ ...next, rawStreams: rawStreams(1, 3) }, store, manifest);
      const finished: string[][] = [];
      for (const one of [next, whole]) {
        await take(one, 2, more.join('\n'));
        await take(one, 3, end, 'millrace:watermark');
        await settle(one);
        finished.push([...(await one.lines('so-far'))]);
      }
      expect(finished[0]).toEqual(finished[1]);
      expect(finished[0]?.length).toBeGreaterThan(0);
    },
  );

  test('shows what is not final in a new table too, of keys of which nothing more comes', async () => {
    const { rows, ...late } = { rows: columns, allowedLateness: milliseconds(0), refresh: milliseconds(1) };
    const outputs = [
      keyed
        .window(tumbling(milliseconds(10)), { ...late, placement: 'lambda' })
        .aggregate('on-lambda', rows)
        .to(sink),
      keyed
        .window(tumbling(milliseconds(10)), { ...late, placement: 'fargate' })
        .aggregate('in-worker', rows)
        .to(sink),
      keyed.aggregate('running', rows, { refresh: milliseconds(1) }).to(sink),
      keyed
        .window(global({ trigger: everyTime(milliseconds(2)) }), { allowedLateness: milliseconds(0) })
        .aggregate('ever', rows)
        .to(sink),
    ];
    const world = worldOf({ slots: 2 }, outputs);
    await take(world, 1, lines.join('\n'));
    await settle(world);
    await take(world, 2, '{"watermark":8}', 'millrace:watermark');
    await settle(world);
    const store = createMemoryBlobStore();
    const manifest = await save(world, store, { last: 2 });
    const next = worldOf({ slots: 2 }, outputs);
    await restoreSavepoint({ ...next, rawStreams: rawStreams(1, 3) }, store, manifest);
    await take(next, 3, '{"watermark":9}', 'millrace:watermark');
    await settle(next);
    for (const view of ['on-lambda', 'in-worker', 'running', 'ever']) {
      const expected = await world.lines(view);
      expect([view, expected.length]).toEqual([view, keys.length]);
      expect(await next.lines(view)).toEqual(expected);
    }
  });

  test.each([{ slots: 2 }, { slots: 4 }, { slots: 1 }])(
    'of windows in order, late views, and what has no window goes on with $slots slots',
    async (options) => {
      const allowedLateness = milliseconds(0);
      const capped = keyed
        .window(session({ gap: milliseconds(10), maxLength: milliseconds(3) }), { allowedLateness })
        .aggregate('capped', columns);
      const running = keyed.aggregate('running', columns, { refresh: milliseconds(0) });
      const outputs: readonly AnyOutput[] = [
        capped.to(sink),
        capped.late('late', { amount: (reading) => reading.amount }).to(sink),
        keyed
          .window(countWindow(2, { incomplete: 'emit' }), { allowedLateness })
          .aggregate('pairs', columns)
          .to(sink),
        keyed
          .window(global({ trigger: everyTime(milliseconds(2)) }), { allowedLateness })
          .aggregate('ever', columns)
          .to(sink),
        running.to(sink),
        running
          .asChanges()
          .keyBy((row) => ({ odd: row.requests % 2 === 1 }))
          .aggregate('by-parity', { keys: sum((row) => row.change) }, { refresh: milliseconds(0) })
          .to(sink),
        keyed
          .join(keyed, { within: 'ever' })
          .select('all-pairs', {
            left: { l: (reading: Reading) => reading.amount },
            right: { r: (reading: Reading) => reading.amount },
          })
          .to(sink),
        keyed
          .throttle('throttled', { columns: {}, limit: 1, per: milliseconds(4), burst: 1, allowedLateness })
          .to(sink),
      ];
      const [world, whole] = [worldOf({ slots: 2 }, outputs), worldOf({ slots: 2 }, outputs)];
      const rest = async (one: World): Promise<void> => {
        for (let turn = 0; turn < 4; turn += 1) {
          await settle(one);
          one.clock.move(5_000);
        }
      };
      for (const one of [world, whole]) {
        await take(one, 1, lines.join('\n'));
        await rest(one);
        await take(one, 2, '{"watermark":4}', 'millrace:watermark');
        await rest(one);
      }
      const store = createMemoryBlobStore();
      const manifest = await save(world, store, { last: 2, drainMsMax: 10_000 });
      const next = worldOf(options, outputs);
      const { rows } = world.results.dump();
      await next.results.writeRows(rows);
      await restoreSavepoint({ ...next, rawStreams: rawStreams(1, 4) }, store, manifest);
      for (const one of [next, whole]) {
        await take(one, 3, more.join('\n'));
        await rest(one);
        await take(one, 4, '{"watermark":253402300799999}', 'millrace:watermark');
        await rest(one);
      }
      for (const { name } of outputs) {
        const expected = await whole.lines(name);
        expect([name, await next.lines(name)]).toEqual([name, expected]);
        expect([name, expected.length > 0]).toEqual([name, true]);
      }
      expect({ ...(await next.counts()), duplicates: 0 }).toEqual({ ...(await whole.counts()), duplicates: 0 });
    },
  );
});
