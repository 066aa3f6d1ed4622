import { expect, test } from 'vitest';
import {
  count,
  type Duration,
  days,
  dynamodb,
  minutes,
  pipeline,
  seconds,
  stream,
  tumbling,
} from '#shared/pipeline/index.ts';
import { number, record } from '#shared/pipeline/record.ts';
import { arbitraries, testDriver } from '#shared/testing/index.ts';

const clicks = stream('clicks', {
  schema: record({ at: number() }),
  timestamp: (click) => click.at,
  outOfOrderness: seconds(0),
});
const site = pipeline('site', [
  clicks
    .keyBy(() => ({ all: 'all' }))
    .window(tumbling(minutes(1)), { allowedLateness: seconds(0) })
    .aggregate('minutes', { n: count() })
    .to(dynamodb({ ttl: days(1) })),
]);
const one = [{ at: 0 }];
const never = new Date(Number.NaN);
const infinite = Number.POSITIVE_INFINITY as Duration;

test.each<readonly [() => unknown, string]>([
  [() => testDriver(site, { start: never }), 'testDriver: start is Invalid Date; it must be a Date'],
  [
    () => testDriver(site, { shards: 1e308 }),
    'testDriver: shards is 1e+308; it must be a whole number from 1 to 1000.',
  ],
  [() => testDriver(site, { slots: true as never }), 'testDriver: slots is true; it must be a power of two'],
  [() => testDriver(site, { faults: { seed: 1, kill: 5 } }), 'faults: kill is 5; it must be a number from 0 to 1.'],
  [() => testDriver(site, { faults: { seed: 1, latePut: Number.NaN } }), 'faults: latePut is NaN; it must be a number'],
  [() => testDriver(site, { faults: { seed: Number.NaN } }), 'faults: seed is NaN; it must be a whole number'],
  [
    () => testDriver(site).advance(minutes(-5)),
    'advance: duration is -300000; it must be a whole number of milliseconds',
  ],
  [() => testDriver(site).advance(infinite), 'advance: duration is Infinity; it must be'],
  [() => testDriver(site).promise(clicks, never), 'promise: time is NaN; it must be a Date'],
  [
    () => testDriver(site, { shards: 2 }).send(clicks, one, { shard: 2 }),
    'send: shard of clicks is 2; it must be a whole number from 0 to 1.',
  ],
  [() => testDriver(site).send(clicks, [undefined as never]), 'a record for clicks is missing, which is not JSON.'],
  [() => testDriver(site).send(clicks, [{ at: 10n } as never]), 'a record for clicks is not JSON: Do not know'],
  [() => testDriver(site).read('minutes', { from: never }), 'read: from is Invalid Date; it must be a Date'],
  [() => testDriver(site).read('minutes', { to: never }), 'read: to is Invalid Date; it must be a Date'],
  [
    () => arbitraries.history([{ stream: clicks, time: 'at' }], { late: 2 }),
    'history: late is 2; it must be a number from 0 to 1.',
  ],
  [
    () => arbitraries.history([{ stream: clicks, time: 'at' }], { pace: infinite }),
    'history: pace is Infinity; it must be',
  ],
  [
    () => arbitraries.history([{ stream: clicks, time: 'at' }], { records: [5, 2] }),
    'history: the least records is 5; it must be a whole number from 0 to 2.',
  ],
  [() => arbitraries.history([{ stream: clicks, time: 'at' }], { start: never }), 'history: start is Invalid Date'],
])('%s is refused', async (call, message) => {
  await expect((async () => call())()).rejects.toThrow(`INPUT_INVALID: ${message}`);
});
