import * as z from 'zod';
import {
  combinedLog,
  count,
  countDistinct,
  csv,
  days,
  dynamodb,
  hours,
  json,
  minutes,
  pipeline,
  quantile,
  ratio,
  seconds,
  session,
  shareOfTotal,
  stream,
  sum,
  tumbling,
} from '#shared/pipeline/index.ts';
import { flowRecord } from './flow.ts';

/** What `combinedLog()` reads from a line of an access log. */
const accessLogRecord = z.object({
  host: z.string(),
  timeMs: z.number().int(),
  path: z.string(),
  status: z.number().int(),
  bytes: z.number().int().nonnegative(),
});

/** Requests come as lines of an access log, or as flow records, which know nothing of paths and statuses. */
export const requests = stream('requests', {
  schema: z.union([accessLogRecord, flowRecord]),
  timestamp: (record) => ('timeMs' in record ? record.timeMs : record.ts),
  outOfOrderness: minutes(1),
  idleAfter: minutes(2),
  decode: [json(), combinedLog(), csv({ columns: { ip: 'string', bytes: 'number', ts: 'number' } })],
});

const byIp = requests
  .map((record) =>
    'timeMs' in record
      ? { ip: record.host, bytes: record.bytes, path: record.path, failed: record.status >= 400 }
      : { ip: record.ip, bytes: record.bytes, path: '', failed: false },
  )
  .keyBy((request) => ({ ip: request.ip }));

type Request = { readonly ip: string; readonly bytes: number; readonly path: string; readonly failed: boolean };

/** The columns of all three windows: made once, so each value crosses the exchange once. */
const columns = {
  requests: count<Request>(),
  bytes: sum((request: Request) => request.bytes),
  errors: count((request: Request) => request.failed),
  p50: quantile(0.5, (request: Request) => request.bytes),
  p99: quantile(0.99, (request: Request) => request.bytes),
  paths: countDistinct((request: Request) => request.path),
};
const shares = { share: shareOfTotal('bytes'), errorRate: ratio('errors', 'requests') } as const;

const perMinute = byIp
  .window(tumbling(minutes(1)), { allowedLateness: seconds(0), refresh: seconds(2) })
  .aggregate('by-ip-1m', columns)
  .derive(shares)
  .to(dynamodb({ ttl: days(2) }));

const perFiveMinutes = byIp
  .window(tumbling(minutes(5)), { allowedLateness: minutes(1) })
  .aggregate('by-ip-5m', columns)
  .derive(shares)
  .to(dynamodb({ ttl: days(7) }));

const perHour = byIp
  .window(tumbling(hours(1)), { allowedLateness: minutes(1), refresh: seconds(30) })
  .aggregate('by-ip-1h', columns)
  .derive(shares)
  .to(dynamodb({ ttl: days(90) }));

const visits = byIp
  .window(session({ gap: minutes(30) }), { allowedLateness: minutes(1), emit: 'on-close' })
  .aggregate('visits', {
    requests: columns.requests,
    bytes: columns.bytes,
    errors: columns.errors,
    paths: columns.paths,
  })
  .to(dynamodb({ ttl: days(30) }));

/** Which share of the traffic does each IP have, right now? And how do its visits look? */
export const traffic = pipeline('traffic', [perMinute, perFiveMinutes, perHour, visits]);
