import { count, pipeline, seconds, tumbling } from '#shared/pipeline/index.ts';
import { auctions, onClose, persons, sink } from './events.ts';

const tenSeconds = tumbling(seconds(10));

const newcomers = persons
  .keyBy((person) => ({ id: person.id, name: person.name }))
  .window(tenSeconds, onClose)
  .aggregate('q8-persons', { n: count() });
const sellers = auctions
  .keyBy((auction) => ({ id: auction.seller }))
  .window(tenSeconds, onClose)
  .aggregate('q8-sellers', { n: count() });

/** Monitor new users: who has joined and opened an auction in the same ten seconds. Rows of one window have one time. */
const rows = newcomers
  .asStream()
  .keyBy((row) => ({ id: row.id }))
  .join(
    sellers.asStream().keyBy((row) => ({ id: row.id })),
    { within: [seconds(0), seconds(0)], allowedLateness: seconds(0) },
  )
  .select('q8-pairs', { left: { name: (row) => row.name }, right: {} })
  .asStream()
  .select('q8', { id: (row) => row.id, name: (row) => row.name }, { window: tenSeconds })
  .to(sink);

export const q8 = pipeline('nexmark-q8', [rows]);
