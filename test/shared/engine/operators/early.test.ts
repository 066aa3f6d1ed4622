import { describe, expect, test } from 'vitest';
import {
  count,
  hours,
  milliseconds,
  minutes,
  type Pipeline,
  s3,
  seconds,
  session,
  sum,
  tumbling,
} from '#shared/pipeline/index.ts';
import { testDriver } from '#shared/testing/index.ts';
import { pipelineOf, type Reading, readings, sink } from '../../readings.ts';

const keyed = readings().keyBy((reading) => ({ key: reading.key }));
const allowedLateness = seconds(0);

function hourly(early: { readonly every: ReturnType<typeof minutes>; readonly time?: 'event' | 'arrival' }): Pipeline {
  const table = keyed
    .window(tumbling(hours(1)), { allowedLateness, emit: 'on-close', early })
    .aggregate('hours', { n: count() });
  return pipelineOf([
    table.to(sink),
    table
      .asStream()
      .keyBy((row) => ({ key: row.key }))
      .window(tumbling(hours(2)), { allowedLateness, emit: 'on-close' })
      .aggregate('two-hours', { rows: count(), n: sum((row) => row.n) })
      .to(sink),
  ]);
}

const at = (minute: number): Reading => ({ at: minute * 60_000, key: 'a', amount: 1 });
const all = { from: new Date(0), to: new Date(1e12) };

async function shown(driver: ReturnType<typeof testDriver>): Promise<readonly (readonly [number, boolean])[]> {
  const rows = (await driver.read('hours', all)) as unknown as readonly {
    readonly n: number;
    readonly final: boolean;
  }[];
  return rows.map(({ n, final }) => [n, final]);
}

describe('early rows', () => {
  test('by event time are shown when the watermark passes a multiple, and change with the next one', async () => {
    const driver = testDriver(hourly({ every: minutes(10), time: 'event' }));
    await driver.send('readings', [at(1)]);
    expect(await shown(driver)).toEqual([[1, false]]);
    await driver.send('readings', [at(2), at(9)]);
    expect(await shown(driver)).toEqual([[1, false]]);
    await driver.send('readings', [at(12)]);
    expect(await shown(driver)).toEqual([[4, false]]);
    await driver.send('readings', [at(61)]);
    expect(await shown(driver)).toEqual([
      [4, true],
      [1, false],
    ]);
  });

  test('by arrival are shown when the clock is far enough, with nothing but a tick', async () => {
    const driver = testDriver(hourly({ every: minutes(10) }));
    await driver.send('readings', [at(1)]);
    expect(await shown(driver)).toEqual([[1, false]]);
    await driver.send('readings', [at(30), at(40)]);
    await driver.advance(minutes(5));
    expect(await shown(driver)).toEqual([[1, false]]);
    await driver.advance(minutes(6));
    expect(await shown(driver)).toEqual([[3, false]]);
  });

  test.each(['event', 'arrival'] as const)(
    'by %s time are no rows of the stream that the final ones are',
    async (time) => {
      const driver = testDriver(hourly({ every: minutes(1), time }));
      for (const minute of [1, 5, 20, 70, 80, 121]) {
        await driver.send('readings', [at(minute)]);
        await driver.advance(minutes(3));
      }
      await driver.close();
      const rows = (await driver.read('two-hours', all)) as unknown as readonly {
        readonly rows: number;
        readonly n: number;
      }[];
      expect(rows.map(({ rows, n }) => [rows, n])).toEqual([
        [2, 5],
        [1, 1],
      ]);
    },
  );
});

describe('early rows are refused', () => {
  const early = { every: minutes(1) } as const;
  const messageOf = (make: () => unknown): string => {
    try {
      make();
      return 'nothing';
    } catch (error) {
      return (error as Error).message;
    }
  };

  test('for sessions', () => {
    const options = { allowedLateness, early } as never;
    expect(
      messageOf(() =>
        pipelineOf([
          keyed
            .window(session({ gap: minutes(1) }), options)
            .aggregate('v', { n: count() })
            .to(sink),
        ]),
      ),
    ).toMatch(/a window of kind session has no option early/);
  });

  test('for windows that are refreshed anyway', () => {
    const options = { allowedLateness, early } as never;
    expect(
      messageOf(() =>
        pipelineOf([
          keyed
            .window(tumbling(minutes(1)), options)
            .aggregate('v', { n: count() })
            .to(sink),
        ]),
      ),
    ).toMatch(/step v emits on-update, which shows early rows at every refresh/);
  });

  test('without a table', () => {
    const windowed = keyed.window(tumbling(minutes(1)), { allowedLateness, emit: 'on-close', early });
    expect(messageOf(() => pipelineOf([windowed.aggregate('v', { n: count() }).to(s3({ format: 'ndjson' }))]))).toMatch(
      /step v shows early rows, which only a table can take/,
    );
  });

  test('at no cadence', () => {
    const windowed = keyed.window(tumbling(minutes(1)), {
      allowedLateness,
      emit: 'on-close',
      early: { every: milliseconds(0) },
    });
    expect(messageOf(() => pipelineOf([windowed.aggregate('v', { n: count() }).to(sink)]))).toMatch(
      /every of early is 0 ms/,
    );
  });

  test('by event time on Lambda', () => {
    const options = {
      allowedLateness,
      emit: 'on-close',
      placement: 'lambda',
      early: { ...early, time: 'event' },
    } as const;
    expect(
      messageOf(() =>
        pipelineOf([
          keyed
            .window(tumbling(minutes(1)), options)
            .aggregate('v', { n: count() })
            .to(sink),
        ]),
      ),
    ).toMatch(/cannot be placed on lambda: its early rows follow the watermark/);
  });
});
