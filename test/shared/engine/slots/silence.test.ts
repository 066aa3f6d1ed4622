import { describe, expect, test } from 'vitest';
import { contractOf } from '#shared/pipeline/contract.ts';
import { diffContracts } from '#shared/pipeline/contract-diff.ts';
import {
  count,
  dynamodb,
  hours,
  minutes,
  type Pipeline,
  type Placement,
  pipeline,
  seconds,
  session,
  stream,
  tumbling,
} from '#shared/pipeline/index.ts';
import { testDriver } from '#shared/testing/index.ts';
import { readingSchema } from '../../readings.ts';

const sink = dynamodb({ ttl: hours(1) });
const allowedLateness = seconds(0);
const epochMs = Date.UTC(2026, 0, 1);
const fewSlots = { slots: 4 };
const all = { from: new Date(0), to: new Date(epochMs * 2) };

function source(options: {
  readonly idleAfter?: ReturnType<typeof minutes>;
  readonly whenSilent?: 'hold' | 'advance';
}) {
  return stream('readings', {
    schema: readingSchema,
    timestamp: (reading) => reading.at,
    outOfOrderness: seconds(10),
    ...options,
  });
}

function windows(placement: Placement, options: Parameters<typeof source>[0]): Pipeline {
  return pipeline(
    'test',
    [
      source(options)
        .keyBy((reading) => ({ key: reading.key }))
        .window(tumbling(minutes(10)), { allowedLateness, placement })
        .aggregate('view', { n: count() })
        .to(sink),
    ],
    fewSlots,
  );
}

const visits = pipeline(
  'test',
  [
    source({ idleAfter: minutes(1), whenSilent: 'advance' })
      .keyBy((reading) => ({ key: reading.key }))
      .window(session({ gap: minutes(5) }), { allowedLateness })
      .aggregate('view', { n: count() })
      .to(sink),
  ],
  fewSlots,
);

/** After so many minutes of silence, which rows are final. */
async function finals(made: Pipeline, ...silences: readonly number[]): Promise<readonly boolean[][]> {
  const driver = testDriver(made);
  await driver.send('readings', [{ at: epochMs + 120_000, key: 'a', amount: 1 }]);
  const found: boolean[][] = [];
  for (const silence of silences) {
    await driver.advance(minutes(silence));
    found.push((await driver.read('view', all)).map(({ final }) => final));
  }
  return found;
}

describe.each(['lambda', 'fargate'] as const)(
  'a window on %s, 8 min before its end when its stream falls silent,',
  (placement) => {
    test('closes when the clock has gone as far', async () => {
      const made = windows(placement, { idleAfter: minutes(1), whenSilent: 'advance' });
      // The watermark is 10 s behind the newest record.
      expect(await finals(made, 7, 3)).toEqual([[false], [true]]);
    });

    test('stays open without being asked', async () => {
      expect(await finals(windows(placement, { idleAfter: minutes(1) }), 60)).toEqual([[false]]);
    });
  },
);

test('a window stays open while its stream is not silent for long enough', async () => {
  expect(await finals(windows('lambda', { idleAfter: minutes(30), whenSilent: 'advance' }), 20, 20)).toEqual([
    [false],
    [true],
  ]);
});

test('a session closes when its gap has passed in silence', async () => {
  expect(await finals(visits, 4, 3)).toEqual([[], [true]]);
});

test('a record that comes after the silence with the usual delay is not late', async () => {
  const driver = testDriver(windows('lambda', { idleAfter: minutes(1), whenSilent: 'advance' }));
  await driver.send('readings', [{ at: epochMs, key: 'a', amount: 1 }]);
  await driver.advance(minutes(30));
  await driver.send('readings', [{ at: epochMs + 30 * 60_000, key: 'a', amount: 1 }]);
  await driver.send('readings', [{ at: epochMs + 5 * 60_000, key: 'a', amount: 1 }]);
  expect(await driver.counts()).toMatchObject({ counted: 2, late: 1 });
});

test('a stream that goes on in silence says after how long it is silent', () => {
  expect(() => windows('lambda', { whenSilent: 'advance' })).toThrow(
    'test: stream "readings" goes on when it is silent, and does not say after how long it is. Add idleAfter.',
  );
  expect(() => windows('lambda', { whenSilent: 'wait' as 'hold' })).toThrow(
    /whenSilent is "wait"; use 'hold' or 'advance'/,
  );
});

test('what a stream does in silence is in the contract, and state goes on when it changes', () => {
  const [before, after] = (['hold', 'advance'] as const).map((whenSilent) =>
    contractOf(windows('lambda', { idleAfter: minutes(1), whenSilent }).plan),
  );
  if (before === undefined || after === undefined) throw new Error('there are two');
  expect(diffContracts(before, after)).toMatchObject([
    { kind: 'compatible', what: 'source readings: whenSilent null became "advance"' },
  ]);
});
