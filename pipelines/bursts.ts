import {
  count,
  days,
  dynamodb,
  minutes,
  pipeline,
  seconds,
  session,
  shareOfTotal,
  sliding,
  sum,
  tumbling,
} from '#shared/pipeline/index.ts';
import { flows } from './flow.ts';

type Flow = { readonly bytes: number };

const columns = { count: count<Flow>(), bytes: sum((flow: Flow) => flow.bytes) };

const perBurst = flows
  .keyBy((flow) => ({ ip: flow.ip }))
  .window(session({ gap: seconds(30) }), { allowedLateness: seconds(0) })
  .aggregate('bursts', columns)
  .to(dynamodb({ ttl: days(7) }));

const byNetwork = flows.keyBy((flow) => ({ network: flow.ip.slice(0, flow.ip.lastIndexOf('.')) }));

const perMinute = byNetwork
  .window(tumbling(minutes(1)), { allowedLateness: seconds(0) })
  .aggregate('by-network-1m', columns)
  .derive({ share: shareOfTotal('bytes') })
  .to(dynamodb({ ttl: days(7) }));

const perFiveMinutes = byNetwork
  .window(sliding(minutes(5), { every: minutes(1) }), { allowedLateness: seconds(0), emit: 'on-close' })
  .aggregate('by-network-5m', columns)
  .derive({ share: shareOfTotal('bytes') })
  .to(dynamodb({ ttl: days(7) }));

/** When does an IP talk, and how much does its network move? Most of it is kept by the worker: sessions, and windows that slide. */
export const bursts = pipeline('bursts', [perBurst, perMinute, perFiveMinutes]);
