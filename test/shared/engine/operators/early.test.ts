import { describe, expect, test } from 'vitest';
import { type CompiledStep, compile } from '#shared/engine/compile/compile.ts';
import type { Emission } from '#shared/engine/operators/emit.ts';
import type { Operator } from '#shared/engine/operators/operator.ts';
import { createOperator } from '#shared/engine/slots/memory-stage.ts';
import {
  count,
  countWindow,
  everyRecords,
  everyTime,
  global,
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
import type { CountWindow, SessionWindow } from '#shared/pipeline/window.ts';
import { logStart } from '#shared/schemas/position.ts';
import { testDriver } from '#shared/testing/index.ts';
import { pipelineOf, type Reading, readings, sink } from '../../readings.ts';
import { inputOf, keyAs, shownBy } from './operators.ts';

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

/** The rows of a view, `minutes n` and `so far` for those that are not final. */
async function told(driver: ReturnType<typeof testDriver>, view: string): Promise<readonly string[]> {
  const rows = (await driver.read(view, all)) as unknown as readonly {
    readonly windowStart: Date;
    readonly windowEnd: Date;
    readonly n: number;
    readonly final: boolean;
  }[];
  const minuteOf = (time: Date): number => Number(time) / 60_000;
  return rows.map(
    ({ windowStart, windowEnd, n, final }) =>
      `${minuteOf(windowStart)} to ${minuteOf(windowEnd)}: ${n}${final ? '' : ' so far'}`,
  );
}

describe('early rows of windows that each key has of its own', () => {
  const early = { every: minutes(1) } as const;
  const keyedPipeline = (window: SessionWindow | CountWindow) =>
    pipelineOf([keyed.window(window, { allowedLateness, early }).aggregate('v', { n: count() }).to(sink)]);
  const later = async (driver: ReturnType<typeof testDriver>): Promise<readonly string[]> => {
    await driver.advance(minutes(2));
    return told(driver, 'v');
  };

  test('of a session grow with it, and are gone when it is final', async () => {
    const driver = testDriver(keyedPipeline(session({ gap: minutes(10) })));
    await driver.send('readings', [at(10)]);
    expect(await later(driver)).toEqual(['10 to 20: 1 so far']);
    await driver.send('readings', [at(15)]);
    expect(await later(driver)).toEqual(['10 to 25: 2 so far']);
    await driver.send('readings', [at(40)]);
    expect(await later(driver)).toEqual(['10 to 25: 2', '40 to 50: 1 so far']);
    await driver.close();
    expect(await told(driver, 'v')).toEqual(['10 to 25: 2', '40 to 50: 1']);
  });

  test('of sessions that become one are gone but for that of the whole', async () => {
    const keepsOpen = testDriver(
      pipelineOf([
        keyed
          .window(session({ gap: minutes(10) }), { allowedLateness: minutes(60), early })
          .aggregate('v', { n: count() })
          .to(sink),
      ]),
    );
    await keepsOpen.send('readings', [at(30), at(50)]);
    expect(await later(keepsOpen)).toEqual(['30 to 40: 1 so far', '50 to 60: 1 so far']);
    await keepsOpen.send('readings', [at(40)]);
    expect(await later(keepsOpen)).toEqual(['30 to 60: 3 so far']);
    await keepsOpen.send('readings', [at(25)]);
    expect(await later(keepsOpen)).toEqual(['25 to 60: 4 so far']);
    await keepsOpen.close();
    expect(await told(keepsOpen, 'v')).toEqual(['25 to 60: 4']);
  });

  test('of a session with a greatest length have what the watermark has passed', async () => {
    const driver = testDriver(keyedPipeline(session({ gap: minutes(10), maxLength: minutes(15) })));
    await driver.send('readings', [at(10), at(18)]);
    expect(await later(driver)).toEqual(['10 to 20: 1 so far']);
    await driver.promise('readings', 19 * 60_000);
    expect(await later(driver)).toEqual(['10 to 25: 2 so far']);
    await driver.send('readings', [at(26)]);
    await driver.promise('readings', 27 * 60_000);
    expect(await later(driver)).toEqual(['10 to 25: 2', '26 to 36: 1 so far']);
  });

  test('of every n records are gone when the window is whole, and when the rest is dropped', async () => {
    const driver = testDriver(keyedPipeline(countWindow(2, { ttl: hours(1) })));
    await driver.send('readings', [at(1), at(1), at(1)]);
    await driver.promise('readings', 2 * 60_000);
    const [rest, whole] = await later(driver);
    expect([whole, rest]).toEqual([
      expect.stringMatching(/^1 to .*: 2$/),
      expect.stringMatching(/^1 to .*: 1 so far$/),
    ]);
    await driver.promise('readings', 62 * 60_000);
    expect(await later(driver)).toEqual([whole]);
  });

  test('of the last records, which are too few for a window, are gone when the stream is over', async () => {
    const driver = testDriver(keyedPipeline(countWindow(3)));
    await driver.send('readings', [at(1), at(2)]);
    expect(await later(driver)).toEqual([expect.stringMatching(/^1 to .*: 1 so far$/)]);
    await driver.close();
    expect(await told(driver, 'v')).toEqual([]);
  });

  test('by event time are shown when the watermark passes a multiple', async () => {
    const driver = testDriver(
      pipelineOf([
        keyed
          .window(session({ gap: minutes(10) }), { allowedLateness, early: { every: minutes(5), time: 'event' } })
          .aggregate('v', { n: count() })
          .to(sink),
      ]),
    );
    const seen: string[][] = [];
    for (const minute of [11, 12, 14, 15, 16]) {
      await driver.send('readings', [at(minute)]);
      seen.push([...(await told(driver, 'v'))]);
    }
    expect(seen).toEqual([
      ['11 to 21: 1 so far'],
      ['11 to 21: 1 so far'],
      ['11 to 21: 1 so far'],
      ['11 to 25: 4 so far'],
      ['11 to 25: 4 so far'],
    ]);
  });
});

test('the row of a global window is shown by the clock, when its trigger says so', async () => {
  const driver = testDriver(
    pipelineOf([
      keyed
        .window(global({ trigger: everyTime(minutes(10), { time: 'arrival' }) }), { allowedLateness })
        .aggregate('v', { n: count() })
        .to(sink),
    ]),
  );
  const shownNow = async (): Promise<unknown> =>
    (await driver.read('v', all)).map((row) => (row as unknown as { n: number }).n);
  await driver.send('readings', [at(1)]);
  await driver.promise('readings', 2 * 60_000);
  await driver.advance(minutes(11));
  expect(await shownNow()).toEqual([1]);
  await driver.send('readings', [at(3), at(4)]);
  await driver.promise('readings', 5 * 60_000);
  await driver.advance(minutes(5));
  expect(await shownNow()).toEqual([1]);
  await driver.advance(minutes(6));
  expect(await shownNow()).toEqual([3]);
});

describe('state goes on where early rows', () => {
  const window = session({ gap: milliseconds(10) });
  const context = { slot: 0, position: logStart, clockMs: 50 };
  const operatorOf = (isEarly: boolean): { readonly operator: Operator; readonly add: (timeMs: number) => void } => {
    const table = keyed
      .window(window, { allowedLateness, ...(isEarly ? { early: { every: milliseconds(1) } } : {}) })
      .aggregate('v', { n: count() });
    const step = compile(pipelineOf([table.to(sink)])).steps[0] as CompiledStep;
    const operator = createOperator(step);
    return {
      operator,
      add: (timeMs) => void operator.add(inputOf({ key: keyAs('key=a'), timeMs, values: [null] })),
    };
  };
  const rowsOf = (make: (emission: Emission) => void): readonly (readonly unknown[])[] => {
    return shownBy(make).rows.map(({ windowStartMs, provisional, final }) => [windowStartMs, provisional, final]);
  };

  test('begin to be shown', () => {
    const before = operatorOf(false);
    before.add(5);
    const after = operatorOf(true).operator;
    for (const entry of before.operator.save()) after.restore(entry);
    after.endRestore();
    expect(rowsOf((emission) => after.refresh(context, emission))).toEqual([[5, 'shown', false]]);
  });

  test('are no longer shown: those that are there are taken back in the end', () => {
    const before = operatorOf(true);
    before.add(5);
    shownBy((emission) => before.operator.refresh(context, emission));
    const after = operatorOf(false).operator;
    for (const entry of before.operator.save()) after.restore(entry);
    after.endRestore();
    expect(rowsOf((emission) => after.refresh({ ...context, clockMs: 99 }, emission))).toEqual([]);
    expect(rowsOf((emission) => after.advance(1_000, context, emission))).toEqual([
      [5, 'gone', false],
      [5, undefined, true],
    ]);
  });

  test('are shown again: what came meanwhile is in them', () => {
    const first = operatorOf(true);
    first.add(5);
    shownBy((emission) => first.operator.refresh(context, emission));
    const between = operatorOf(false);
    for (const entry of first.operator.save()) between.operator.restore(entry);
    between.operator.endRestore();
    between.add(8);
    const last = operatorOf(true).operator;
    for (const entry of between.operator.save()) last.restore(entry);
    last.endRestore();
    expect(rowsOf((emission) => last.refresh(context, emission))).toEqual([[5, 'shown', false]]);
  });
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

  test('for global windows', () => {
    const options = { allowedLateness, early } as never;
    expect(
      messageOf(() =>
        pipelineOf([
          keyed
            .window(global({ trigger: everyRecords(2) }), options)
            .aggregate('v', { n: count() })
            .to(sink),
        ]),
      ),
    ).toMatch(/a window of kind global has no option early/);
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
