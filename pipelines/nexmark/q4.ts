import { type Aggregator, max, pipeline } from '#shared/pipeline/index.ts';
import { auctions, bids, sink } from './events.ts';

/** The highest bid of each auction while it was open, as it changes. A bid may come before its auction does. */
const highest = auctions
  .keyBy((auction) => ({ auction: auction.id }))
  .join(
    bids.keyBy((bid) => ({ auction: bid.auction })),
    { within: 'ever' },
  )
  .select('q4-pairs', {
    left: {
      category: (auction) => auction.category,
      from: (auction) => auction.dateTime,
      to: (auction) => auction.expires,
    },
    right: { price: (bid) => bid.price, at: (bid) => bid.dateTime },
  })
  .asStream()
  .filter(({ at, from, to }) => at >= from && at <= to)
  .keyBy(({ auction, category }) => ({ auction, category }))
  .aggregate('q4-highest', { price: max((pair) => pair.price) });

/** Average price for a category: the mean of what its auctions have been sold for so far, without its fraction. */
const rows = highest
  .asChanges()
  .keyBy((row) => ({ id: row.category }))
  .aggregate('q4', { final: wholeMean() })
  .to(sink);

interface Change {
  readonly price: number;
  readonly change: 1 | -1;
}

/** The mean of prices that come and go: whole numbers, whose sums are exact up to 9 × 10^15. */
function wholeMean(): Aggregator<Change, Change, { sum: number; count: number }, number> {
  return {
    kind: 'nexmark-whole-mean',
    config: {},
    select: ({ price, change }) => ({ price, change }),
    create: () => ({ sum: 0, count: 0 }),
    add: (mean, { price, change }) => {
      mean.sum += price * change;
      mean.count += change;
      return mean;
    },
    merge: (into, from) => {
      into.sum += from.sum;
      into.count += from.count;
      return into;
    },
    result: ({ sum, count }) => Math.trunc(sum / count),
    encode: ({ sum, count }) => [sum, count],
    decode: (encoded) => {
      const [sum, count] = encoded as readonly [number, number];
      return { sum, count };
    },
  };
}

export const q4 = pipeline('nexmark-q4', [rows]);
