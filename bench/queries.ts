import { flow, flowRecord } from '#pipelines/flow.ts';
import {
  count,
  csv,
  days,
  dynamodb,
  json,
  minutes,
  type Pipeline,
  pipeline,
  seconds,
  sliding,
  stream,
  sum,
  tumbling,
} from '#shared/pipeline/index.ts';
import type { FlowLoad } from './flow-file.ts';
import type { FlowRecord } from './hand-written.ts';

/** What a query is given: lines of JSON, or records that somebody has parsed already. */
export type Mode = 'json' | 'objects';

/** What is measured beside something else. */
export interface Query {
  readonly source: string;
  readonly pipeline: Pipeline;
  readonly load: Omit<FlowLoad, 'seed'>;
}

/** One side of a comparison: a query in the engine, or the loop by hand over the same records. */
export interface Side {
  readonly query: QueryName;
  readonly mode: Mode;
  readonly by: 'engine' | 'hand';
}

/** The rate of `of` by that of `by`: of CPU time, which other work on the machine changes least. */
export interface Comparison {
  readonly of: Side;
  readonly by: Side;
}

const traffic = { recordCount: 2_000_000, keyCount: 10_000, spanMs: 2 * 60_000 };
const sliced = { recordCount: 2_000_000, keyCount: 1_000, spanMs: 20 * 60_000 };

const flows = stream('flows', {
  schema: flowRecord,
  timestamp: (record) => record.ts,
  outOfOrderness: seconds(4),
  decode: [json(), csv({ columns: { ip: 'string', bytes: 'number', ts: 'number' } })],
});
const columns = { count: count<FlowRecord>(), bytes: sum((record: FlowRecord) => record.bytes) };
const perIp = flows.keyBy(({ ip }) => ({ ip }));
const none = { allowedLateness: seconds(0) };
const tumblingMinutes = perIp.window(tumbling(minutes(10)), none).aggregate('by-ip', columns);
const slidingMinutes = perIp.window(sliding(minutes(10), { every: seconds(10) }), none).aggregate('by-ip', columns);

export const queries = {
  /** Which share of the bytes does each IP have in each minute? */
  traffic: { source: 'flows', pipeline: flow, load: traffic },
  'traffic, 1,000 IPs': { source: 'flows', pipeline: flow, load: { ...traffic, keyCount: 1_000 } },
  'traffic, 1,000,000 IPs': { source: 'flows', pipeline: flow, load: { ...traffic, keyCount: 1_000_000 } },
  tumbling: { source: 'flows', pipeline: pipelineOf(tumblingMinutes), load: sliced },
  /** Each record is in 60 windows. */
  sliding: { source: 'flows', pipeline: pipelineOf(slidingMinutes), load: sliced },
} as const satisfies Readonly<Record<string, Query>>;

export type QueryName = keyof typeof queries;

function pipelineOf(table: {
  to(sink: ReturnType<typeof dynamodb>): Parameters<typeof pipeline>[1][number];
}): Pipeline {
  return pipeline('bench', [table.to(dynamodb({ ttl: days(7) }))]);
}

const engine = (query: QueryName, mode: Mode): Side => ({ query, mode, by: 'engine' });
const hand = (query: QueryName, mode: Mode): Side => ({ query, mode, by: 'hand' });

/** By name, as `bench/baseline.json` has them. */
export const comparisons: Readonly<Record<string, Comparison>> = {
  'traffic, JSON / by hand': { of: engine('traffic', 'json'), by: hand('traffic', 'json') },
  'traffic, objects / by hand': { of: engine('traffic', 'objects'), by: hand('traffic', 'objects') },
  'traffic of 1,000 IPs, JSON / by hand': {
    of: engine('traffic, 1,000 IPs', 'json'),
    by: hand('traffic, 1,000 IPs', 'json'),
  },
  '1,000,000 IPs / 10,000 IPs': { of: engine('traffic, 1,000,000 IPs', 'json'), by: engine('traffic', 'json') },
  '1,000,000 IPs / 10,000 IPs, by hand': { of: hand('traffic, 1,000,000 IPs', 'json'), by: hand('traffic', 'json') },
  'sliding, 60 windows a record / tumbling': { of: engine('sliding', 'json'), by: engine('tumbling', 'json') },
};
