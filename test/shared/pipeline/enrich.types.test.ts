import { expectTypeOf, test } from 'vitest';
import * as z from 'zod';
import { lookupTable, minutes, type Stream, seconds, stream } from '#shared/pipeline/index.ts';

// The compiler is the test: these functions are checked and never called.

const visits = stream('visits', {
  schema: z.object({ at: z.number(), user: z.string() }),
  timestamp: (visit) => visit.at,
  outOfOrderness: seconds(5),
});
const users = lookupTable('users', {
  key: { id: 'string', year: 'number' },
  schema: z.object({ id: z.string(), since: z.string().transform((text) => new Date(text)) }),
});
const freshness = minutes(1);

test('a record is enriched with what the schema gives, or with nothing', () => {
  const enriched = visits.enrich(
    users,
    { key: (visit) => ({ id: visit.user, year: 2026 }), freshness },
    (visit, user) => ({ at: visit.at, since: user?.since }),
  );
  expectTypeOf(enriched).toEqualTypeOf<Stream<{ at: number; since: Date | undefined }>>();
});

test('the key has the columns of the table, with their types', () => {
  void (() => {
    visits.enrich(users, { key: () => undefined, freshness }, (visit) => visit);
    // @ts-expect-error The sort key is missing.
    visits.enrich(users, { key: (visit) => ({ id: visit.user }), freshness }, (visit) => visit);
    // @ts-expect-error The year is a number.
    visits.enrich(users, { key: (visit) => ({ id: visit.user, year: '2026' }), freshness }, (visit) => visit);
    // @ts-expect-error How old an item may be must be said.
    visits.enrich(users, { key: () => undefined }, (visit) => visit);
    // @ts-expect-error There may be no such item.
    visits.enrich(users, { key: () => undefined, freshness }, (_, user) => user.since);
  });
});
