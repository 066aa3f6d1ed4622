import { pipeline } from '#shared/pipeline/index.ts';
import { bids, sink } from './events.ts';

/** Currency conversion: each bid with its price in euros, of which a dollar is 0.908. */
const rows = bids
  .select('q1', {
    auction: (bid) => bid.auction,
    bidder: (bid) => bid.bidder,
    price: (bid) => inEuros(bid.price),
    dateTime: (bid) => bid.dateTime,
    extra: (bid) => bid.extra,
  })
  .to(sink);

/** Exact, as long as the price has at most twelve digits: the number nearest to the decimal one. `price * 0.908` would not be. */
function inEuros(price: number): number {
  return (price * 908) / 1_000;
}

export const q1 = pipeline('nexmark-q1', [rows]);
