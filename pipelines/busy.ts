import {
  count,
  days,
  dynamodb,
  hours,
  max,
  minutes,
  pipeline,
  seconds,
  sum,
  tumbling,
} from '#shared/pipeline/index.ts';
import { requests } from './traffic.ts';

const onClose = { allowedLateness: seconds(0), emit: 'on-close' } as const;
const logged = requests.filter((record) => 'timeMs' in record);

/** What each visitor did in each minute. Nobody reads these rows; others are made of them. */
const perMinute = logged
  .keyBy((request) => ({ ip: request.host }))
  .window(tumbling(minutes(1)), onClose)
  .aggregate('per-minute', { requests: count(), bytes: sum((request) => request.bytes) })
  .asStream();

/** Each visitor's busiest minute of each hour. */
const busiestMinutes = perMinute
  .keyBy((row) => ({ ip: row.ip }))
  .window(tumbling(hours(1)), { allowedLateness: seconds(0) })
  .aggregate('busiest-minutes', { minutes: count(), requests: max((row) => row.requests) })
  .to(dynamodb({ ttl: days(7) }));

/** The busiest minute of each hour over all visitors: minutes of visitors, made into minutes of the site, made into hours. */
const peaks = perMinute
  .keyBy(() => ({ site: 'all' }))
  .window(tumbling(minutes(1)), onClose)
  .aggregate('site-minutes', { visitors: count(), requests: sum((row) => row.requests) })
  .asStream()
  .keyBy((row) => ({ site: row.site }))
  .window(tumbling(hours(1)), onClose)
  .aggregate('peaks', { visitors: max((row) => row.visitors), requests: max((row) => row.requests) })
  .to(dynamodb({ ttl: days(7) }));

/** The ten visitors with the most bytes in each hour. */
const topVisitors = logged
  .keyBy((request) => ({ ip: request.host }))
  .window(tumbling(hours(1)), onClose)
  .aggregate('per-hour', { requests: count(), bytes: sum((request) => request.bytes) })
  .top('top-visitors', 10, { by: 'bytes' })
  .to(dynamodb({ ttl: days(7) }));

/** When is it busy, and who is it? */
export const busy = pipeline('busy', [busiestMinutes, peaks, topVisitors]);
