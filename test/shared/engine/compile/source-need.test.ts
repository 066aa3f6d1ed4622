import { Buffer } from 'node:buffer';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { nexmark } from '#pipelines/nexmark/index.ts';
import { traffic } from '#pipelines/traffic.ts';
import { scanText, skipPlainText } from '#shared/engine/decode/json-values.ts';
import { TextCache } from '#shared/engine/decode/text-cache.ts';
import {
  argMax,
  count,
  days,
  dynamodb,
  lookupTable,
  type Pipeline,
  pipeline,
  seconds,
  stream,
  sum,
  topK,
  tumbling,
  union,
} from '#shared/pipeline/index.ts';
import { decodeTools } from '#shared/runtime/decode-tools.ts';
import { nexmarkLines } from '#shared/testing/nexmark.ts';
import { createRandom, type Random } from '#shared/testing/random.ts';
import { neededBy, runBytes, runLines, runParsed, spoiled } from '../scanned-runs.ts';

const requests = stream('requests', {
  schema: z.object({
    ts: z.number().int(),
    ip: z.string(),
    path: z.string(),
    agent: z.string().nullish(),
    bytes: z.number(),
    isBot: z.boolean().optional(),
    user: z.object({ id: z.number().int(), name: z.string() }).nullish(),
  }),
  timestamp: (request) => request.ts,
  outOfOrderness: seconds(1),
});
const sink = dynamodb({ ttl: days(1) });
const options = { allowedLateness: seconds(0) };
const minute = tumbling(seconds(60));

/** Each with what it needs beside the time; `*` for all. */
const pipelines: Readonly<Record<string, readonly [Pipeline, string]>> = {
  aggregate: [
    pipeline('aggregate', [
      requests
        .filter((request) => request.isBot !== true)
        .keyBy(({ ip }) => ({ ip }))
        .window(minute, options)
        .aggregate('by-ip', { n: count(), bytes: sum((request) => request.bytes) })
        .to(sink),
    ]),
    'bytes ip isBot',
  ],
  wrapped: [
    pipeline('wrapped', [
      requests
        .keyBy(() => ({ all: 1 }))
        .window(minute, options)
        .aggregate('wrapped', {
          largest: argMax((request) => request.path, { by: (request) => request.bytes }),
          often: topK((request) => request.ip, { k: 3 }),
          bots: count((request) => request.isBot === true),
        })
        .to(sink),
    ]),
    'bytes ip isBot path',
  ],
  map: [
    pipeline('map', [
      requests
        .filter((request) => request.user !== null && request.user !== undefined)
        .map((request) => request.user as { id: number; name: string })
        .keyBy((user) => ({ id: user.id }))
        .window(minute, options)
        .aggregate('by-user', { n: count() })
        .to(sink),
    ]),
    'user.id',
  ],
  'map to another record': [
    pipeline('map-other', [
      requests
        .map(({ ip, bytes }) => ({ ip, kilobytes: bytes / 1_000, agent: undefined }))
        .keyBy((request) => ({ ip: request.ip }))
        .window(minute, options)
        .aggregate('kilobytes', { kilobytes: sum(({ kilobytes }) => kilobytes) })
        .to(sink),
    ]),
    'bytes ip',
  ],
  branch: [
    pipeline(
      'branch',
      (() => {
        const { bots, otherwise } = requests.branch({ bots: (request) => request.isBot === true });
        const countOf = (part: typeof bots, name: string) =>
          part
            .keyBy(({ ip }) => ({ ip }))
            .window(minute, options)
            .aggregate(name, { n: count() })
            .to(sink);
        return [countOf(bots, 'bots'), countOf(otherwise, 'others')];
      })(),
    ),
    'ip isBot',
  ],
  sample: [
    pipeline('sample', [
      requests
        .sample(0.5, { by: (request) => request.ip })
        .keyBy(({ path }) => ({ path }))
        .window(minute, options)
        .aggregate('sampled', { n: count() })
        .to(sink),
    ]),
    'ip path',
  ],
  'sample of whole records': [
    pipeline('sample-whole', [
      requests
        .sample(0.5)
        .keyBy(({ path }) => ({ path }))
        .window(minute, options)
        .aggregate('sampled', { n: count() })
        .to(sink),
    ]),
    '*',
  ],
  union: [
    pipeline('union', [
      union(
        requests.filter((request) => request.bytes > 50),
        requests.map((request) => ({ path: request.agent ?? 'none' })),
      )
        .keyBy(({ path }) => ({ path }))
        .window(minute, options)
        .aggregate('of-both', { n: count() })
        .to(sink),
    ]),
    'agent bytes path',
  ],
  'a record that is kept': [
    pipeline('kept', [
      requests
        .keyBy(({ ip }) => ({ ip }))
        .window(minute, options)
        .aggregate('kept', { last: argMax((request) => JSON.stringify(request), { by: (request) => request.ts }) })
        .to(sink),
    ]),
    '*',
  ],
  process: [
    pipeline('process', [
      requests
        .keyBy(({ ip }) => ({ ip }))
        .process('loud', {
          columns: { path: (request) => request.path, user: (request) => request.user?.name ?? null },
          emits: { text: 'string' },
          state: () => 0,
          onEvent: ({ path, user }, { emit }) => emit({ text: `${path} ${user}` }),
          ttl: days(1),
          allowedLateness: seconds(0),
        })
        .to(sink),
    ]),
    'ip path user.name',
  ],
  'table join': [
    pipeline('table-join', [
      requests
        .keyBy(({ ip }) => ({ ip }))
        .joinTable(
          requests.filter((request) => request.isBot === true).keyBy(({ ip }) => ({ ip })),
          { deletes: (request) => request.bytes === 0, allowedLateness: seconds(0) },
        )
        .select('joined', {
          left: { path: (request) => request.path },
          right: { agent: (request) => request.agent ?? null },
        })
        .to(sink),
    ]),
    'agent bytes ip isBot path',
  ],
};

describe.each(Object.entries(pipelines))('%s', (_, [made, needed]) => {
  test('needs what its callbacks read', () => {
    const found = neededBy(made).split(' ');
    expect(
      found
        .filter((path) => path !== 'ts')
        .sort()
        .join(' '),
    ).toBe(needed);
  });

  test('has the same rows and rejections as over whole records', () => {
    const random = createRandom(5, 'requests');
    const lines = Array.from({ length: 2_000 }, (_, at) => requestLine(random, at));
    const expected = runParsed(made, 'requests', lines);
    expect(expected.rejections.length).toBeGreaterThan(20);
    expect(runBytes(made, 'requests', lines)).toEqual(expected);
    expect(runLines(made, 'requests', lines)).toEqual(expected);
  });
});

test.each(nexmark.map((query) => [query.id, query] as const))('%s is the same over whole records', (_, query) => {
  const random = createRandom(9, 'events');
  const lines = [...nexmarkLines({ count: 4_000, seed: 3 })].map((line) =>
    random.chance(0.02) ? spoiled(random, line) : line,
  );
  expect(runBytes(query, 'events', lines)).toEqual(runParsed(query, 'events', lines));
});

test('of a record that is enriched its key and what is combined with the item are needed', () => {
  const places = lookupTable('places', {
    key: { ip: 'string' },
    schema: z.object({ ip: z.string(), city: z.string() }),
  });
  const enriched = pipeline('enriched', [
    requests
      .enrich(places, { key: ({ ip }) => ({ ip }), freshness: seconds(1) }, (request, place) => ({
        city: place?.city ?? 'none',
        path: request.path,
      }))
      .keyBy(({ city, path }) => ({ city, path }))
      .window(minute, options)
      .aggregate('by-city', { n: count() })
      .to(sink),
  ]);
  expect(neededBy(enriched)).toBe('ip path ts');
  const random = createRandom(5, 'requests');
  const lines = Array.from({ length: 500 }, (_, at) => requestLine(random, at));
  const tables = { places: [{ ip: '10.0.0.1', city: 'Delft' }] };
  expect(runBytes(enriched, 'requests', lines, tables)).toEqual(runParsed(enriched, 'requests', lines, tables));
});

test('of records of two kinds those fields are needed that are read of either', () => {
  expect(neededBy(traffic)).toBe('bytes host ip path status timeMs ts');
});

test('what stands behind very many unions of branches is looked at once', () => {
  let all = requests.filter(({ ts }) => ts > 0);
  for (let depth = 0; depth < 16; depth += 1)
    all = union(
      all.filter(({ bytes }) => bytes > 0),
      all.filter(({ bytes }) => bytes <= 0),
    );
  const rows = all
    .keyBy(({ ip }) => ({ ip }))
    .window(tumbling(seconds(1)), { allowedLateness: seconds(0) })
    .aggregate('deep', { n: count() })
    .to(dynamodb({ ttl: days(1) }));
  expect(neededBy(pipeline('deep', [rows]))).toBe('bytes ip ts');
});

test('no query of bids reads their texts', () => {
  const needs = ['nexmark-q5', 'nexmark-q11', 'nexmark-q12'].map((id) =>
    neededBy(nexmark.find((one) => one.id === id) as Pipeline),
  );
  expect(needs).toEqual([
    'auction.dateTime bid.auction bid.dateTime event_type person.dateTime',
    'auction.dateTime bid.bidder bid.dateTime event_type person.dateTime',
    'auction.dateTime bid.bidder bid.dateTime bid.price event_type person.dateTime',
  ]);
});

test('a text ends with its quote, whether it is read or not, and has no others, backslashes, control characters or bytes above ASCII', () => {
  const cache = new TextCache(decodeTools.ascii);
  for (let length = 0; length < 12; length += 1)
    for (let place = 0; place <= length; place += 1)
      for (let byte = 0; byte < 256; byte += 1) {
        const bytes = Buffer.from(`${'x'.repeat(length)}"}\n`);
        bytes[place] = byte;
        const text = /^[ !#-[\]-\x7f]*(?=")/.exec(bytes.toString('latin1'))?.[0];
        const cursor = { at: -1 };
        const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
        expect(scanText(bytes, 0, cursor, cache, words)).toBe(text);
        if (text !== undefined) expect(cursor.at).toBe(text.length + 1);
        expect(skipPlainText(bytes, 0, words)).toBe(text === undefined ? -1 : cursor.at);
      }
});

/** Some have fields of wrong types, whether anybody reads them or not. */
function requestLine(random: Random, at: number): string {
  const request = {
    ts: 1_767_225_600_000 + at * 200 - random.below(3_000),
    ip: `10.0.0.${random.below(20)}`,
    path: random.pick(['/', '/a', '/b "quoted"', '/é']),
    ...(random.chance(0.5) ? { agent: random.pick([null, `agent ${random.below(1e6)}`]) } : {}),
    bytes: random.below(100),
    ...(random.chance(0.5) ? { isBot: random.chance(0.3) } : {}),
    ...(random.chance(0.5) ? { user: random.pick([null, { id: random.below(9), name: 'n' }]) } : {}),
  };
  const line = JSON.stringify(request);
  return random.chance(0.05) ? spoiled(random, line) : line;
}
