import { argMaxAll, max, pipeline, seconds, tumbling } from '#shared/pipeline/index.ts';
import { type Bid, bids, onClose, sink } from './events.ts';

const tenSeconds = tumbling(seconds(10));

/** No slot sees all bids; the best of each part are ranked once more. */
const parts = 64;

/** Highest bid: the bids with the highest price in each ten seconds, all of them where several are as high. */
const rows = bids
  .keyBy((bid) => ({ part: bid.auction % parts }))
  .window(tenSeconds, onClose)
  .aggregate('q7-parts', {
    price: max((bid: Bid) => bid.price),
    bids: argMaxAll(withoutNothing, { by: (bid: Bid) => bid.price }),
  })
  .rank('q7-bids', 1, { by: 'price' })
  .asStream()
  .flatMap((row) => row.bids)
  .select(
    'q7',
    {
      auction: (bid) => bid.auction,
      bidder: (bid) => bid.bidder,
      price: (bid) => bid.price,
      dateTime: (bid) => bid.dateTime,
      extra: (bid) => bid.extra,
    },
    { window: tenSeconds },
  )
  .to(sink);

function withoutNothing({ auction, bidder, price, dateTime, extra }: Bid) {
  return { auction, bidder, price, dateTime, ...(extra === undefined ? {} : { extra }) };
}

export const q7 = pipeline('nexmark-q7', [rows]);
