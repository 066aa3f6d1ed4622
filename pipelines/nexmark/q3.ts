import { pipeline } from '#shared/pipeline/index.ts';
import { auctions, persons, sink } from './events.ts';

const states: ReadonlySet<string> = new Set(['OR', 'ID', 'CA']);

/** Local item suggestion: who is selling in category 10 in Oregon, Idaho or California. A person's auctions may come at any time. */
const rows = auctions
  .filter((auction) => auction.category === 10)
  .keyBy((auction) => ({ seller: auction.seller }))
  .join(
    persons.filter((person) => states.has(person.state)).keyBy((person) => ({ seller: person.id })),
    { within: 'ever' },
  )
  .select('q3-pairs', {
    left: { id: (auction) => auction.id },
    right: { name: (person) => person.name, city: (person) => person.city, state: (person) => person.state },
  })
  .asStream()
  .select('q3', {
    name: (row) => row.name,
    city: (row) => row.city,
    state: (row) => row.state,
    id: (row) => row.id,
  })
  .to(sink);

export const q3 = pipeline('nexmark-q3', [rows]);
