import { closeSync, openSync, writeSync } from 'node:fs';
import { flow, flows } from '#pipelines/flow.ts';
import { q0 } from '#pipelines/nexmark/q0.ts';
import { q1 } from '#pipelines/nexmark/q1.ts';
import { q2 } from '#pipelines/nexmark/q2.ts';
import { q3 } from '#pipelines/nexmark/q3.ts';
import { q5 } from '#pipelines/nexmark/q5.ts';
import { q7 } from '#pipelines/nexmark/q7.ts';
import { q8 } from '#pipelines/nexmark/q8.ts';
import { q11 } from '#pipelines/nexmark/q11.ts';
import { q12 } from '#pipelines/nexmark/q12.ts';
import {
  count,
  days,
  dynamodb,
  minutes,
  type Pipeline,
  pipeline,
  seconds,
  sliding,
  sum,
  tumbling,
} from '#shared/pipeline/index.ts';
import { nexmarkLines } from '#shared/testing/nexmark.ts';
import { type FlowLoad, writeFlowFile } from './flow-file.ts';
import type { FlowRecord } from './hand-written.ts';

/**
 * What a query is given: the bytes of JSON lines, which the engine reads with a scanner that is compiled for the schema, and the loop with one
 * written by hand; the same as texts, which the engine reads so too, and the loop with JSON.parse; texts that both parse; or records that were
 * parsed already.
 */
export type Mode = 'bytes' | 'texts' | 'parsed texts' | 'objects';

/** What is measured beside something else. */
export interface Query {
  readonly source: string;
  readonly pipeline: Pipeline;
  readonly load: Load;
}

export interface Load {
  readonly recordCount: number;
  /** Queries of one load read one file. */
  readonly file: string;
  readonly write: (path: string, seed: number) => void;
}

/** One side of a comparison: a query in the engine, or the loop by hand over the same records. */
export interface Side {
  readonly query: QueryName;
  readonly mode: Mode;
  /** `packed` knows more of the records than a loop by hand would. */
  readonly by: 'engine' | 'hand' | 'packed';
}

/** The rate of `of` by that of `by`: of CPU time, which other work on the machine changes least. */
export interface Comparison {
  readonly of: Side;
  readonly by: Side;
}

const traffic = { recordCount: 2_000_000, keyCount: 10_000, spanMs: 2 * 60_000 };
const sliced = flowLoad({ recordCount: 2_000_000, keyCount: 1_000, spanMs: 20 * 60_000 });
/** 100 s of event time, at ten times the rate of the generator's default. */
const auctions: Load = {
  recordCount: 1_000_000,
  file: 'nexmark.ndjson',
  write: (path, seed) => writeLines(path, nexmarkLines({ count: 1_000_000, seed, rate: 10_000 })),
};

const columns = { count: count<FlowRecord>(), bytes: sum((record: FlowRecord) => record.bytes) };
const perIp = flows.keyBy(({ ip }) => ({ ip }));
const none = { allowedLateness: seconds(0) };
const tumblingMinutes = perIp.window(tumbling(minutes(10)), none).aggregate('by-ip', columns);
const slidingMinutes = perIp.window(sliding(minutes(10), { every: seconds(10) }), none).aggregate('by-ip', columns);

export const queries = {
  /** Which share of the bytes does each IP have in each minute? */
  traffic: { source: 'flows', pipeline: flow, load: flowLoad(traffic) },
  'traffic, 1,000,000 IPs': { source: 'flows', pipeline: flow, load: flowLoad({ ...traffic, keyCount: 1_000_000 }) },
  tumbling: { source: 'flows', pipeline: pipelineOf(tumblingMinutes), load: sliced },
  /** Each record is in 60 windows. */
  sliding: { source: 'flows', pipeline: pipelineOf(slidingMinutes), load: sliced },
  'nexmark q0': { source: 'events', pipeline: q0, load: auctions },
  'nexmark q1': { source: 'events', pipeline: q1, load: auctions },
  'nexmark q2': { source: 'events', pipeline: q2, load: auctions },
  'nexmark q3': { source: 'events', pipeline: q3, load: auctions },
  'nexmark q5': { source: 'events', pipeline: q5, load: auctions },
  'nexmark q7': { source: 'events', pipeline: q7, load: auctions },
  'nexmark q8': { source: 'events', pipeline: q8, load: auctions },
  'nexmark q11': { source: 'events', pipeline: q11, load: auctions },
  'nexmark q12': { source: 'events', pipeline: q12, load: auctions },
} as const satisfies Readonly<Record<string, Query>>;

export type QueryName = keyof typeof queries;

function flowLoad(load: Omit<FlowLoad, 'seed'>): Load {
  const { recordCount, keyCount, spanMs } = load;
  const file = `${recordCount}-${keyCount}-${spanMs}.ndjson`;
  return { recordCount, file, write: (path, seed) => void writeFlowFile(path, { ...load, seed }) };
}

function writeLines(path: string, lines: Iterable<string>): void {
  const file = openSync(path, 'w');
  try {
    let text = '';
    for (const line of lines) {
      text += `${line}\n`;
      if (text.length < charactersPerWrite) continue;
      writeSync(file, text);
      text = '';
    }
    writeSync(file, text);
  } finally {
    closeSync(file);
  }
}

const charactersPerWrite = 1 << 20;

function pipelineOf(table: {
  to(sink: ReturnType<typeof dynamodb>): Parameters<typeof pipeline>[1][number];
}): Pipeline {
  return pipeline('bench', [table.to(dynamodb({ ttl: days(7) }))]);
}

const engine = (query: QueryName, mode: Mode): Side => ({ query, mode, by: 'engine' });
const hand = (query: QueryName, mode: Mode): Side => ({ query, mode, by: 'hand' });
const packed = (query: QueryName): Side => ({ query, mode: 'bytes', by: 'packed' });

/** By name, as `bench/baseline.json` has them. */
export const comparisons: Readonly<Record<string, Comparison>> = {
  ...Object.fromEntries(
    (Object.keys(queries) as readonly QueryName[])
      .filter((name) => name.startsWith('nexmark'))
      .map((name) => [
        `${name}, bytes / traffic by hand, texts`,
        { of: engine(name, 'bytes'), by: hand('traffic', 'texts') },
      ]),
  ),
  'traffic, bytes / by hand, texts': { of: engine('traffic', 'bytes'), by: hand('traffic', 'texts') },
  'traffic, bytes / by hand': { of: engine('traffic', 'bytes'), by: hand('traffic', 'bytes') },
  'traffic, texts / by hand': { of: engine('traffic', 'texts'), by: hand('traffic', 'texts') },
  'traffic, parsed texts / by hand, texts': { of: engine('traffic', 'parsed texts'), by: hand('traffic', 'texts') },
  'traffic, objects / by hand': { of: engine('traffic', 'objects'), by: hand('traffic', 'objects') },
  '1,000,000 IPs / 10,000 IPs': { of: engine('traffic, 1,000,000 IPs', 'bytes'), by: engine('traffic', 'bytes') },
  '1,000,000 IPs / 10,000 IPs, by hand': { of: hand('traffic, 1,000,000 IPs', 'bytes'), by: hand('traffic', 'bytes') },
  '1,000,000 IPs / 10,000 IPs, packed by hand': { of: packed('traffic, 1,000,000 IPs'), by: packed('traffic') },
  'sliding, 60 windows a record / tumbling': { of: engine('sliding', 'bytes'), by: engine('tumbling', 'bytes') },
};
