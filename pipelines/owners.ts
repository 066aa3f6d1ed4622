import * as z from 'zod';
import {
  count,
  countDistinct,
  days,
  dynamodb,
  hours,
  lookupTable,
  minutes,
  pipeline,
  shareOfTotal,
  sum,
  tumbling,
} from '#shared/pipeline/index.ts';
import { requests } from './traffic.ts';

/** Whose an address is. Somebody else keeps the table, and changes it. */
const addresses = lookupTable('addresses', {
  key: { ip: 'string' },
  schema: z.object({ ip: z.string(), owner: z.string(), isRobot: z.boolean().optional() }),
  columns: ['owner', 'isRobot'],
});

/** How much of the traffic of people is each owner's, in each hour? */
const byOwner = requests
  .filter((record) => 'timeMs' in record)
  .enrich(addresses, { key: (request) => ({ ip: request.host }), freshness: minutes(10) }, (request, address) => ({
    ...request,
    owner: address?.owner ?? 'unknown',
    isRobot: address?.isRobot ?? false,
  }))
  .filter((request) => !request.isRobot)
  .keyBy((request) => ({ owner: request.owner }))
  .window(tumbling(hours(1)), { allowedLateness: minutes(1) })
  .aggregate('by-owner', {
    requests: count(),
    bytes: sum((request) => request.bytes),
    addresses: countDistinct((request) => request.host),
  })
  .derive({ share: shareOfTotal('bytes') })
  .to(dynamodb({ ttl: days(7) }));

/** Who is behind the traffic? */
export const owners = pipeline('owners', [byOwner]);
