import { count, pipeline, seconds, session } from '#shared/pipeline/index.ts';
import { bids, sink } from './events.ts';

/** User sessions: how many bids each bidder made until ten seconds went by without one. */
const rows = bids
  .keyBy((bid) => ({ bidder: bid.bidder }))
  .window(session({ gap: seconds(10) }), { allowedLateness: seconds(0) })
  .aggregate('q11', { bid_count: count() })
  .to(sink);

export const q11 = pipeline('nexmark-q11', [rows]);
