import type { StandardSchemaV1 } from '@standard-schema/spec';
import { describe, expect, expectTypeOf, test } from 'vitest';
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
  string,
  timestamp,
} from '#shared/pipeline/index.ts';

const request = record({
  ip: string(),
  bytes: integer(),
  ratio: number(),
  ok: boolean(),
  at: timestamp(),
  kind: oneOf('view', 'buy'),
  tags: list(string()),
  agent: optional(string()),
  user: nullable(record({ name: string(), age: optional(number()) })),
});

const good = {
  ip: 'a',
  bytes: 1,
  ratio: 0.5,
  ok: true,
  at: '1970-01-01T00:00:01.5Z',
  kind: 'buy',
  tags: ['x'],
  user: null,
};

function check(value: unknown): unknown {
  const result = request['~standard'].validate(value);
  if (result instanceof Promise) throw new Error('it waits');
  return result.issues === undefined
    ? result.value
    : result.issues.map(({ path, message }) => `${path?.join('.')}: ${message}`);
}

describe('record', () => {
  test('takes what fits, drops what it does not name, and reads times', () => {
    expect(check({ ...good, more: 1 })).toEqual({ ...good, at: 1_500 });
    expect(check({ ...good, agent: 'x', user: { name: 'n' } })).toEqual({
      ...good,
      at: 1_500,
      agent: 'x',
      user: { name: 'n' },
    });
  });

  test.each([
    [{ ...good, ip: 5 }, ['ip: expected a string, found 5']],
    [
      { ...good, bytes: 1.5, ok: 'true' },
      ['bytes: expected a whole number within 2^53, found 1.5', 'ok: expected true or false, found "true"'],
    ],
    [{ ...good, bytes: 2 ** 53 }, ['bytes: expected a whole number within 2^53, found 9007199254740992']],
    [{ ...good, ratio: Number.NaN }, ['ratio: expected a number, found null']],
    [
      { ...good, at: '2026-02-30T00:00:00Z' },
      ['at: expected a time such as 2026-11-21T10:00:00Z, found "2026-02-30T00:00:00Z"'],
    ],
    [{ ...good, at: 5 }, ['at: expected a time such as 2026-11-21T10:00:00Z, found 5']],
    [{ ...good, kind: 'sell' }, ['kind: expected one of "view", "buy", found "sell"']],
    [{ ...good, tags: ['a', 1] }, ['tags.1: expected a string, found 1']],
    [{ ...good, tags: 'a' }, ['tags: expected a list, found "a"']],
    [{ ...good, agent: null }, ['agent: expected a string, found null']],
    [
      { ...good, user: { age: 'old' } },
      ['user.name: expected a string, found nothing', 'user.age: expected a number, found "old"'],
    ],
    [{ ...good, user: [] }, ['user: expected an object, found []']],
    [Object.create(good), expect.arrayContaining(['ip: expected a string, found nothing'])],
  ])('says of %j what is wrong and where', (value, expected) => {
    expect(check(value)).toEqual(expected);
  });

  test('has the types of its fields', () => {
    type Out = StandardSchemaV1.InferOutput<typeof request>;
    expectTypeOf<Out>().toEqualTypeOf<{
      readonly ip: string;
      readonly bytes: number;
      readonly ratio: number;
      readonly ok: boolean;
      readonly at: number;
      readonly kind: 'view' | 'buy';
      readonly tags: readonly string[];
      readonly agent?: string;
      readonly user: { readonly name: string; readonly age?: number } | null;
    }>();
    expectTypeOf<StandardSchemaV1.InferInput<typeof request>['at']>().toEqualTypeOf<string>();
  });

  test('takes what the same schema of Zod takes', () => {
    const zod = z.object({
      ip: z.string(),
      bytes: z.number(),
      agent: z.string().optional(),
      user: z.string().nullable(),
    });
    const own = record({ ip: string(), bytes: number(), agent: optional(string()), user: nullable(string()) });
    for (const ip of ['a', 1, undefined, null])
      for (const agent of ['b', undefined, null])
        for (const user of ['c', undefined, null]) {
          const value = JSON.parse(JSON.stringify({ ip, bytes: 1, agent, user, more: 2 }));
          const [a, b] = [zod['~standard'].validate(value), own['~standard'].validate(value)] as never as readonly {
            issues?: unknown;
            value?: unknown;
          }[];
          expect([a?.issues === undefined, a?.value]).toEqual([b?.issues === undefined, b?.value]);
        }
  });
});
