import * as z from 'zod';
import { days, dynamodb, seconds, stream } from '#shared/pipeline/index.ts';

// The one input of all queries: persons, auctions and bids, as the generator of the Nexmark benchmark gives them.

export const person = z.object({
  id: z.number().int(),
  name: z.string(),
  emailAddress: z.string().nullish(),
  creditCard: z.string().nullish(),
  city: z.string(),
  state: z.string(),
  dateTime: z.number().int(),
  extra: z.string().nullish(),
});

export const auction = z.object({
  id: z.number().int(),
  itemName: z.string().nullish(),
  description: z.string().nullish(),
  initialBid: z.number().int().nullish(),
  reserve: z.number().int().nullish(),
  dateTime: z.number().int(),
  expires: z.number().int(),
  seller: z.number().int(),
  category: z.number().int(),
  extra: z.string().nullish(),
});

export const bid = z.object({
  auction: z.number().int(),
  bidder: z.number().int(),
  price: z.number().int(),
  channel: z.string().nullish(),
  url: z.string().nullish(),
  dateTime: z.number().int(),
  extra: z.string().nullish(),
});

export const event = z.object({
  event_type: z.literal([0, 1, 2]),
  person: person.nullish(),
  auction: auction.nullish(),
  bid: bid.nullish(),
});

export type Event = z.output<typeof event>;
export type Person = z.output<typeof person>;
export type Auction = z.output<typeof auction>;
export type Bid = z.output<typeof bid>;

/** Whatever an event is, it moves the one watermark of all. */
export const events = stream('events', {
  schema: event,
  timestamp: timeOf,
  outOfOrderness: seconds(4),
});

/** An event without the member that its type names is malformed: it has no time, and is rejected. */
function timeOf({ event_type, person, auction, bid }: Event): number {
  switch (event_type) {
    case 0:
      return person?.dateTime ?? Number.NaN;
    case 1:
      return auction?.dateTime ?? Number.NaN;
    case 2:
      return bid?.dateTime ?? Number.NaN;
  }
}

export const persons = events.filter((event) => event.event_type === 0).map((event) => event.person as Person);
export const auctions = events.filter((event) => event.event_type === 1).map((event) => event.auction as Auction);
export const bids = events.filter((event) => event.event_type === 2).map((event) => event.bid as Bid);

export const sink = dynamodb({ ttl: days(1) });
/** Windows wait for nothing that is later than the 4 s. */
export const onClose = { allowedLateness: seconds(0), emit: 'on-close' } as const;
