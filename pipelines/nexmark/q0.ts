import { pipeline } from '#shared/pipeline/index.ts';
import { bids, sink } from './events.ts';

/** Pass through: each bid as it is. */
const rows = bids
  .select('q0', {
    auction: (bid) => bid.auction,
    bidder: (bid) => bid.bidder,
    price: (bid) => bid.price,
    channel: (bid) => bid.channel,
    url: (bid) => bid.url,
    dateTime: (bid) => bid.dateTime,
    extra: (bid) => bid.extra,
  })
  .to(sink);

export const q0 = pipeline('nexmark-q0', [rows]);
