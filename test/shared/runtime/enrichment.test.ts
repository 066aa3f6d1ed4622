import { expect, test } from 'vitest';
import * as z from 'zod';
import {
  count,
  dynamodb,
  hours,
  lookupTable,
  minutes,
  pipeline,
  seconds,
  stream,
  tumbling,
} from '#shared/pipeline/index.ts';
import { testDriver } from '#shared/testing/index.ts';

const visits = stream('visits', {
  schema: z.object({ at: z.number(), user: z.string() }),
  timestamp: (v) => v.at,
  outOfOrderness: seconds(0),
});
const users = lookupTable('users', { key: { id: 'string' }, schema: z.object({ id: z.string(), plan: z.string() }) });
const byPlan = visits
  .enrich(users, { key: (v) => ({ id: v.user }), freshness: minutes(5) }, (v, user) => ({
    ...v,
    plan: user?.plan ?? 'none',
  }))
  .keyBy((v) => ({ plan: v.plan }))
  .window(tumbling(minutes(1)), { allowedLateness: seconds(0) })
  .aggregate('by-plan', { visits: count() })
  .to(dynamodb({ ttl: hours(1) }));
const shop = pipeline('shop', [byPlan]);

test('a record is keyed by what was looked up', async () => {
  const driver = testDriver(shop, { tables: { users: [{ id: 'ann', plan: 'gold' }] } });
  await driver.send(visits, [
    { at: 1, user: 'ann' },
    { at: 2, user: 'bob' },
  ]);
  driver.putItem(users, { id: 'bob', plan: 'gold' });
  await driver.send(visits, [{ at: 3, user: 'bob' }]);
  await driver.advance(minutes(6));
  await driver.send(visits, [{ at: 4, user: 'bob' }]);
  await driver.close();
  expect((await driver.read('by-plan')).map(({ plan, visits }) => [plan, visits])).toEqual([
    ['gold', 2],
    ['none', 2],
  ]);
});
