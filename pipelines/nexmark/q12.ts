import { count, pipeline, seconds, sum, tumbling } from '#shared/pipeline/index.ts';
import { type Bid, bids, sink } from './events.ts';

/** How many bids each bidder made in each ten seconds of event time, and what they were together. */
const rows = bids
  .keyBy((bid) => ({ bidder: bid.bidder }))
  .window(tumbling(seconds(10)), { allowedLateness: seconds(0) })
  .aggregate('q12', { bid_count: count(), sum_price: sum((bid: Bid) => bid.price) })
  .to(sink);

export const q12 = pipeline('nexmark-q12', [rows]);
