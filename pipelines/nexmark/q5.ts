import { count, pipeline, seconds, sliding } from '#shared/pipeline/index.ts';
import { bids, onClose, sink } from './events.ts';

/** Hot items: in each ten seconds, every two seconds, the auctions that had the most bids, all of them where several had as many. */
const rows = bids
  .keyBy((bid) => ({ auction: bid.auction }))
  .window(sliding(seconds(10), { every: seconds(2) }), onClose)
  .aggregate('q5-bids', { num: count() })
  .rank('q5', 1, { by: 'num' })
  .to(sink);

export const q5 = pipeline('nexmark-q5', [rows]);
