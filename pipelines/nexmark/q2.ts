import { pipeline } from '#shared/pipeline/index.ts';
import { bids, sink } from './events.ts';

/** Selection: the bids on every 123rd auction. */
const rows = bids
  .filter((bid) => bid.auction % 123 === 0)
  .select('q2', { auction: (bid) => bid.auction, price: (bid) => bid.price })
  .to(sink);

export const q2 = pipeline('nexmark-q2', [rows]);
