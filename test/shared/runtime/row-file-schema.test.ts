import { describe, test } from 'vitest';
import * as z from 'zod';
import {
  argMax,
  calendar,
  collect,
  count,
  countWindow,
  cumulative,
  days,
  decimalSum,
  first,
  hours,
  max,
  minutes,
  quantile,
  ratio,
  seconds,
  session,
  sliding,
  stream,
  sum,
  topK,
  tumbling,
} from '#shared/pipeline/index.ts';
import { expectFiles, type Order, orders, sinks } from '../row-files.ts';

const byShop = orders.keyBy(({ shop }) => ({ shop }));
const onClose = { allowedLateness: seconds(0), emit: 'on-close' } as const;
const columns = {
  orders: count<Order>(),
  cents: sum(({ cents }: Order) => cents ?? 0),
  heaviest: max(({ weight }: Order) => weight ?? 0),
  latency: quantile(0.5, ({ weight }: Order) => weight ?? 0),
  last: argMax(({ note }: Order) => note ?? null, { by: ({ ts }) => ts }),
  isGift: first(({ gift }: Order) => gift),
  total: decimalSum(({ cents }: Order) => cents ?? 0),
  tags: collect(({ tags }: Order) => tags, { max: 3 }),
  top: topK(({ note }: Order) => note ?? '', { k: 1 }),
};
const aggregated = {
  windowStart: 'TIMESTAMP',
  windowEnd: 'TIMESTAMP',
  shop: 'VARCHAR',
  orders: 'BIGINT',
  cents: 'DOUBLE',
  heaviest: 'DOUBLE',
  latency: 'DOUBLE',
  last: 'VARCHAR',
  isGift: 'BOOLEAN',
  total: 'VARCHAR',
  tags: 'JSON',
  top: 'JSON',
};

describe('all files of a view in TypeScript have one schema', () => {
  test.each([
    ['tumbling', tumbling(hours(1))],
    ['sliding', sliding(hours(2), { every: hours(1) })],
    ['cumulative', cumulative(hours(24), { step: hours(8) })],
    ['calendar', calendar('day', { timeZone: 'Europe/Berlin' })],
  ] as const)('%s windows', async (_, window) => {
    await expectFiles(
      byShop
        .window(window, onClose)
        .aggregate('rows', columns)
        .to(...sinks),
      aggregated,
    );
  });

  test.each([
    ['session', session({ gap: minutes(1) })],
    ['count', countWindow(1)],
  ] as const)('%s windows', async (_, window) => {
    const output = byShop
      .window(window, { allowedLateness: seconds(0) })
      .aggregate('rows', columns)
      .to(...sinks);
    await expectFiles(output, aggregated);
  });
});

const fieldTypes = {
  cents: 'DOUBLE',
  weight: 'DOUBLE',
  note: 'VARCHAR',
  isGift: 'BOOLEAN',
  dueMs: 'DOUBLE',
  tags: 'JSON',
  firstTag: 'VARCHAR',
  size: 'VARCHAR',
};
const selected = {
  cents: ({ cents }: Order) => cents,
  weight: ({ weight }: Order) => weight,
  // Where a record has none, the row has none.
  note: ({ note }: Order) => note as string,
  isGift: ({ gift }: Order) => gift,
  dueMs: ({ due }: Order) => due,
  tags: ({ tags }: Order) => tags,
  firstTag: ({ tags }: Order) => tags?.[0] ?? null,
  size: ({ weight }: Order) => (weight === null ? null : weight > 1 ? 'large' : 'small'),
};
const selectedOrNull = { ...selected, note: ({ note }: Order) => note ?? null };

describe('so do files of records', () => {
  test('without a key, with one, and with a window', async () => {
    await expectFiles(orders.select('rows', selected).to(...sinks), fieldTypes);
    await expectFiles(byShop.select('rows', selected).to(...sinks), { shop: 'VARCHAR', ...fieldTypes });
    const window = tumbling(hours(1));
    const bounds = { windowStart: 'TIMESTAMP', windowEnd: 'TIMESTAMP', shop: 'VARCHAR' };
    await expectFiles(byShop.select('rows', selected, { window }).to(...sinks), { ...bounds, ...fieldTypes });
  });

  test('that are joined, where one side may be missing', async () => {
    const right = orders.filter(({ ts }) => ts > 0).keyBy(({ shop }) => ({ shop }));
    const output = byShop
      .join(right, { within: [seconds(0), seconds(0)], kind: 'full', allowedLateness: seconds(0) })
      .select('rows', { left: { leftCents: ({ cents }) => cents }, right: selectedOrNull })
      .to(...sinks);
    const times = { shop: 'VARCHAR', leftTime: 'TIMESTAMP', rightTime: 'TIMESTAMP', leftCents: 'DOUBLE' };
    await expectFiles(output, { ...times, ...fieldTypes });
  });

  test('that meet a table', async () => {
    const table = orders.filter(({ ts }) => ts > 0).keyBy(({ shop }) => ({ shop }));
    const output = byShop
      .joinTable(table, { kind: 'left', allowedLateness: seconds(0) })
      .select('rows', { left: { ts: ({ ts }) => ts }, right: selectedOrNull })
      .to(...sinks);
    await expectFiles(output, {
      shop: 'VARCHAR',
      time: 'TIMESTAMP',
      tableTime: 'TIMESTAMP',
      ts: 'DOUBLE',
      ...fieldTypes,
    });
  });

  test('that pass once, or are slowed down', async () => {
    const deduped = byShop.dedupe('rows', { columns: selectedOrNull, within: seconds(1), allowedLateness: seconds(0) });
    await expectFiles(deduped.to(...sinks), { shop: 'VARCHAR', time: 'TIMESTAMP', ...fieldTypes });
    const throttled = byShop.throttle('rows', {
      columns: selectedOrNull,
      limit: 1,
      per: seconds(1),
      allowedLateness: seconds(0),
    });
    await expectFiles(throttled.to(...sinks), { shop: 'VARCHAR', time: 'TIMESTAMP', over: 'BOOLEAN', ...fieldTypes });
  });

  test('that a function emits', async () => {
    const output = byShop
      .process('rows', {
        columns: { weight: ({ weight }) => weight },
        emits: { weight: 'number?', text: 'string?', isLarge: 'boolean?', any: 'json' },
        state: () => null,
        onEvent: ({ weight }, { emit }) =>
          emit({
            weight,
            text: weight === null ? null : `${weight}`,
            isLarge: weight && weight > 1 ? true : null,
            any: weight,
          }),
        ttl: minutes(1),
        allowedLateness: seconds(0),
      })
      .to(...sinks);
    const types = { weight: 'DOUBLE', text: 'VARCHAR', isLarge: 'BOOLEAN', any: 'JSON' };
    await expectFiles(output, { shop: 'VARCHAR', time: 'TIMESTAMP', ...types });
  });

  test('that are rows again: grouped, ranked, made into others', async () => {
    const hourly = byShop.window(tumbling(hours(1)), onClose).aggregate('hourly', columns);
    const { shop: _, ...own } = aggregated;
    const bounds = { windowStart: 'TIMESTAMP', windowEnd: 'TIMESTAMP' };
    await expectFiles(hourly.top('rows', 2, { by: 'latency' }).to(...sinks), {
      ...own,
      rank: 'BIGINT',
      shop: 'VARCHAR',
    });
    await expectFiles(hourly.rank('rows', 2, { by: 'latency', as: 'place' }).to(...sinks), {
      ...aggregated,
      place: 'BIGINT',
    });
    const made = hourly
      .asStream()
      .filter(({ orders }) => orders > 0)
      .map(({ last, isGift, windowStart, top }) => ({ last, isGift, hour: windowStart.getTime(), most: top[0] }))
      .flatMap((row) => [row, { ...row, hour: row.hour + 1 }])
      .keyBy(({ hour }) => ({ hour }));
    const again = made
      .window(tumbling(days(1)), onClose)
      .aggregate('rows', {
        last: first(({ last }) => last),
        note: first(({ most }) => most?.value ?? null),
        n: count(),
      })
      .derive({ each: ratio('n', 'n') });
    const types = { hour: 'DOUBLE', last: 'VARCHAR', note: 'VARCHAR', n: 'BIGINT', each: 'DOUBLE' };
    await expectFiles(again.to(...sinks), { ...bounds, ...types });
  });

  test('that are emitted, joined and selected again', async () => {
    const emitted = byShop
      .process('emitted', {
        columns: { cents: ({ cents }) => cents },
        emits: { cents: 'number?', any: 'json' },
        state: () => null,
        onEvent: ({ cents }, { emit }) => emit({ cents, any: { cents } }),
        ttl: minutes(1),
        allowedLateness: seconds(0),
      })
      .asStream();
    const joined = emitted
      .keyBy(({ shop }) => ({ shop }))
      .join(byShop, { within: [seconds(0), seconds(0)], allowedLateness: seconds(0) })
      .select('joined', {
        left: { cents: ({ cents }) => cents, text: ({ time }) => time.toISOString() },
        right: { note: ({ note }) => note ?? null },
      })
      .asStream();
    const output = joined
      .keyBy(({ shop, leftTime }) => ({ shop, day: leftTime.getUTCDate() }))
      .select('rows', { cents: ({ cents }) => cents, text: ({ text }) => text, note: ({ note }) => note })
      .to(...sinks);
    await expectFiles(output, { shop: 'VARCHAR', day: 'DOUBLE', cents: 'DOUBLE', text: 'VARCHAR', note: 'VARCHAR' });
  });

  test('of a schema of Zod, whatever it checks', async () => {
    const schema = z
      .object({
        ts: z.number().int().min(0),
        shop: z.enum(['a', 'b']),
        cents: z.number().nonnegative().nullable(),
        note: z.string().min(0).max(100).optional(),
        due: z.iso
          .datetime()
          .nullable()
          .transform((text) => (text === null ? null : Date.parse(text))),
        tags: z.array(z.string()).nullable(),
      })
      .refine(({ ts }) => ts !== 17);
    const checked = stream('orders', { schema, timestamp: ({ ts }) => ts, outOfOrderness: seconds(0) });
    const output = checked
      .keyBy(({ shop }) => ({ shop }))
      .select('rows', {
        cents: ({ cents }) => cents,
        note: ({ note }) => note?.toUpperCase() ?? null,
        due: ({ due }) => due,
        tag: ({ tags }) => tags?.[0] ?? null,
      })
      .to(...sinks);
    await expectFiles(output, { shop: 'VARCHAR', cents: 'DOUBLE', note: 'VARCHAR', due: 'DOUBLE', tag: 'VARCHAR' });
  });
});
