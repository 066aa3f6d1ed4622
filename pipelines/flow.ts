import * as z from 'zod';
import {
  count,
  csv,
  days,
  dynamodb,
  json,
  minutes,
  pipeline,
  seconds,
  shareOfTotal,
  stream,
  sum,
  tumbling,
} from '#shared/pipeline/index.ts';

/** One flow record: `bytes` went to or from `ip` at `ts`, in milliseconds since the epoch. */
export const flowRecord = z.object({ ts: z.number(), ip: z.string(), bytes: z.number() });

export const flows = stream('flows', {
  schema: flowRecord,
  timestamp: (flow) => flow.ts,
  outOfOrderness: seconds(4),
  decode: [json(), csv({ columns: { ip: 'string', bytes: 'number', ts: 'number' } })],
});

const byIp = flows
  .keyBy((flow) => ({ ip: flow.ip }))
  .window(tumbling(minutes(1)), { allowedLateness: seconds(0) })
  .aggregate('by-ip', { count: count(), bytes: sum((flow) => flow.bytes) })
  .derive({ share: shareOfTotal('bytes') })
  .to(dynamodb({ ttl: days(7) }));

/** Which share of the bytes does each IP have in each minute? The smallest useful pipeline. */
export const flow = pipeline('flow', [byIp]);
