import fc from 'fast-check';
import { expect, test } from 'vitest';
import * as z from 'zod';
import {
  boolean,
  integer,
  list,
  nullable,
  number,
  oneOf,
  optional,
  record,
  seconds,
  stream,
  string,
  timestamp,
} from '#shared/pipeline/index.ts';
import { arbitraries } from '#shared/testing/index.ts';
import { readings } from '../readings.ts';

const clicks = stream('clicks', {
  schema: z.object({
    at: z.iso.datetime(),
    user: z.string(),
    shop: z.number().int(),
    bytes: z.number().int().nonnegative(),
    device: z.enum(['phone', 'desk']).optional(),
    tags: z.array(z.string().max(3)),
    referrer: z.union([z.literal('none'), z.object({ host: z.string() })]).nullable(),
  }),
  timestamp: (click) => new Date(click.at),
  outOfOrderness: seconds(10),
});
const start = new Date('2026-03-29T00:00:00.000Z');
const options = { records: [60, 60], start } as const;
const drawn = (late: number, duplicates: number) =>
  fc.sample(
    arbitraries.history([{ stream: clicks, time: 'at', keys: { user: 12, shop: 3 } }], {
      ...options,
      late,
      duplicates,
    }),
    { numRuns: 40, seed: 1 },
  );
type Click = { readonly at: string; readonly user: string; readonly shop: number };

/** How far each record is behind the newest one before it, in seconds. */
function lags(history: ReturnType<typeof drawn>[number]): readonly number[] {
  let newest = Number.NEGATIVE_INFINITY;
  return history.map(({ record }) => {
    const at = Date.parse((record as Click).at);
    newest = Math.max(newest, at);
    return (newest - at) / 1_000;
  });
}

test('the stream takes every record', () => {
  for (const { stream: name, record } of drawn(0.1, 0.1).flat()) {
    expect(name).toBe('clicks');
    expect(clicks.node.op === 'source' && clicks.node.schema['~standard'].validate(record)).toEqual({ value: record });
  }
});

test('records lie within the disorder of the stream, and late ones beyond', () => {
  const inTime = drawn(0, 0).flatMap(lags);
  expect([Math.max(...inTime) > 8, Math.max(...inTime) <= 10]).toEqual([true, true]);
  const late = drawn(0.3, 0).flatMap(lags);
  const share = late.filter((lag) => lag > 10).length / late.length;
  expect(share).toBeGreaterThan(0.15);
  expect(share).toBeLessThan(0.4);
});

test('some keys are hot and others cold', () => {
  const counts = Map.groupBy(drawn(0, 0).flat(), ({ record }) => (record as Click).user);
  expect(counts.size).toBe(12);
  const sizeOf = (user: string): number => counts.get(user)?.length ?? 0;
  expect(sizeOf('user-1')).toBeGreaterThan(5 * sizeOf('user-5'));
  expect(
    new Set(
      drawn(0, 0)
        .flat()
        .map(({ record }) => (record as Click).shop),
    ),
  ).toEqual(new Set([0, 1, 2]));
});

test('some records are sent twice', () => {
  const repeated = (share: number): number =>
    drawn(0, share).reduce(
      (sum, history) => sum + history.length - new Set(history.map(({ record }) => record)).size,
      0,
    );
  expect(repeated(0)).toBe(0);
  expect(repeated(0.2)).toBeGreaterThan(40 * 60 * 0.1);
});

test('several streams go on together, those of other schemas by the fields that are given', () => {
  const reading = {
    stream: readings({ outOfOrderness: 5_000 }),
    time: 'at',
    fields: { key: fc.constant('k') },
  } as const;
  const [history = []] = fc.sample(
    arbitraries.history([reading, { stream: clicks, time: 'at' }], { ...options, late: 0, duplicates: 0 }),
    { numRuns: 1, seed: 1 },
  );
  const times = history.map(({ record }) => new Date((record as Click).at).getTime());
  expect(new Set(history.map(({ stream: name }) => name))).toEqual(new Set(['readings', 'clicks']));
  expect(times.every((at, index) => index === 0 || at > (times[index - 1] as number) - 10_001)).toBe(true);
  expect(history.find((one) => one.stream === 'readings')?.record).toEqual({ at: expect.any(Number), key: 'k' });
});

test('values are drawn for a schema of our own too', () => {
  const logins = stream('logins', {
    schema: record({
      at: timestamp(),
      user: string(),
      tries: nullable(integer()),
      from: optional(record({ port: number(), safe: boolean() })),
      way: oneOf('password', 'key'),
      groups: list(string()),
    }),
    timestamp: (login) => login.at,
    outOfOrderness: seconds(1),
  });
  const drawn = fc.sample(arbitraries.history([{ stream: logins, time: 'at', keys: { user: 3, way: 2 } }], options), {
    numRuns: 5,
    seed: 1,
  });
  for (const { record: login } of drawn.flat()) {
    expect(logins.node.op === 'source' && logins.node.schema['~standard'].validate(login)).toHaveProperty('value');
  }
  expect(new Set(drawn.flat().map(({ record: login }) => (login as { groups: unknown[] }).groups.length)).size).toBe(4);
});

test('the schema takes values of every plain type, and the keys that are drawn', () => {
  const visits = stream('visits', {
    schema: z.object({
      at: z.number().int(),
      id: z.uuid(),
      port: z.number().int().min(1_000).max(1_003),
      isNew: z.boolean(),
      device: z.enum(['phone', 'desk', 'watch']),
      code: z.string().regex(/^[a-z]{2}-\d$/),
      country: z.string().length(2),
      step: z.number().multipleOf(0.05).nullable(),
      referrer: z.string().nullable(),
      note: z.string().nullish(),
      address: z.ipv4(),
      day: z.iso.date(),
      size: z.tuple([z.string(), z.number()]).rest(z.boolean()),
      counts: z.record(z.string(), z.number()),
      byDevice: z.record(z.enum(['phone', 'desk']), z.number()),
    }),
    timestamp: (visit) => visit.at,
    outOfOrderness: seconds(1),
  });
  const keys = { id: 3, port: 3, isNew: 5, device: 2, code: 3, country: 3, referrer: 3, step: 3 } as const;
  for (const keyed of [{}, { keys }]) {
    const history = arbitraries.history([{ stream: visits, time: 'at', ...keyed }], options);
    const records = fc
      .sample(history, { numRuns: 5, seed: 1 })
      .flat()
      .map(({ record: visit }) => visit as Record<string, unknown>);
    for (const visit of records)
      expect(visits.node.op === 'source' && visits.node.schema['~standard'].validate(visit)).toHaveProperty('value');
    if (!('keys' in keyed)) continue;
    const counts = Object.keys(keys).map((name) => [name, new Set(records.map((visit) => visit[name])).size]);
    expect(Object.fromEntries(counts)).toEqual({ ...keys, isNew: 2 });
  }
});

test('a field that the schema does not say enough of is named', () => {
  const mails = stream('mails', {
    schema: z.object({ at: z.number(), to: z.string().regex(/^(?!y)x+$/) }),
    timestamp: (mail) => mail.at,
    outOfOrderness: seconds(0),
  });
  expect(() => arbitraries.history([{ stream: mails, time: 'at' }])).toThrow(
    'INPUT_INVALID: mails.to must be a text of the form ^(?!y)x+$; give an arbitrary for this field in the option fields.',
  );
  const given = { to: fc.constant('xx') };
  expect(fc.sample(arbitraries.history([{ stream: mails, time: 'at', fields: given }]), 1)).toHaveLength(1);
  expect(() => arbitraries.history([{ stream: readings(), time: () => ({}) }])).toThrow('schema of test; give');
});
