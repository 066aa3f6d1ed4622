import {
  count,
  days,
  dynamodb,
  hours,
  kinesis,
  minutes,
  pipeline,
  s3,
  session,
  sum,
  tumbling,
} from '#shared/pipeline/index.ts';
import { requests } from './traffic.ts';

/** Flow records know nothing of paths and statuses. */
const logged = requests.filter((record) => 'timeMs' in record);
type Logged = Parameters<Parameters<typeof logged.keyBy>[0]>[0];
const columns = { requests: count<Logged>(), bytes: sum((record: Logged) => record.bytes) };

/** What was asked of each part of the site, hour by hour, kept for good. */
const sections = logged
  .keyBy((record) => ({ section: record.path.split('?')[0]?.split('/')[1] ?? '', status: record.status }))
  .window(tumbling(hours(1)), { allowedLateness: minutes(1), emit: 'on-close' })
  .aggregate('sections-1h', columns)
  .to(s3({ format: 'parquet' }));

/** Each visit once it is over: to look up for a week, to keep, and for others to go on with. */
const visits = logged
  .keyBy((record) => ({ ip: record.host }))
  .window(session({ gap: minutes(30) }), { allowedLateness: minutes(1) })
  .aggregate('ended-visits', columns)
  .to(dynamodb({ ttl: days(7) }), s3({ format: 'ndjson' }), kinesis());

/** Where do results go besides the table? */
export const archive = pipeline('archive', [sections, visits]);
