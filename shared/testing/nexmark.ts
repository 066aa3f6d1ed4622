import { createRandom, type Random } from './random.ts';

// The generator of the Nexmark benchmark (Tucker, Tufte, Papadimos and Maier, 2002), with the proportions and distributions of the public one
// that Apache Beam keeps (`GeneratorConfig`, `PersonGenerator`, `AuctionGenerator`, `BidGenerator`): of 50 events one is a person who joins,
// three are auctions that open, and 46 are bids; most of them on few hot auctions, by few hot bidders.

export interface NexmarkOptions {
  /** How many events. */
  readonly count: number;
  readonly seed: number;
  /** The share of the events, 0 to 1, that come so late that no window waits for them. Default 0. */
  readonly late?: number;
  /** Events in a second of event time. Default 1,000. */
  readonly rate?: number;
}

export const nexmarkRateDefault = 1_000;
/** Most events come this much later than others at most: within the 4 s that the queries wait. */
const delayMsMax = 3_000;
/** Those that are late come so much later than that. */
const lateMsMin = 2_000;
const lateMsMax = 30_000;

const startMs = Date.UTC(2015, 6, 15);
const firstPersonId = 1_000;
const firstAuctionId = 1_000;
const firstCategoryId = 10;
const categoryCount = 5;
const personShare = 1;
const auctionShare = 3;
const eventShare = 50;
/** Who and what is drawn from where it is not hot: the last ones, and some that are yet to come. */
const activePeople = 1_000;
const openAuctions = 100;
const yetToCome = 10;
/** One of so many is not hot. */
const hotSellers = 4;
const hotAuctions = 2;
const hotBidders = 4;
/** Every hundredth is hot, for as long as it is the last of those. */
const hotEvery = 100;
const hotChannels = ['Google', 'Facebook', 'Baidu', 'Apple'];
const channelCount = 10_000;

const states = ['AZ', 'CA', 'ID', 'OR', 'WA', 'WY'];
const cities = [
  'Phoenix',
  'Los Angeles',
  'San Francisco',
  'Boise',
  'Portland',
  'Bend',
  'Redmond',
  'Seattle',
  'Kent',
  'Cheyenne',
];
const firstNames = ['Peter', 'Paul', 'Luke', 'John', 'Saul', 'Vicky', 'Kate', 'Julie', 'Sarah', 'Deiter', 'Walter'];
const lastNames = ['Shultz', 'Abrams', 'Spencer', 'White', 'Bartels', 'Walton', 'Smith', 'Jones', 'Noris'];

/**
 * The events as lines of JSON, in the order in which they come: `{"event_type":2,"bid":{...}}` with 0 for a person, 1 for an auction and 2 for
 * a bid. Times are milliseconds since the epoch. The same options give the same lines.
 */
export function* nexmarkLines(options: NexmarkOptions): Generator<string> {
  const { count, seed, late = 0, rate = nexmarkRateDefault } = options;
  const arrivals = createRandom(seed, 'arrivals');
  const events = new Events(createRandom(seed, 'events'), rate);
  /** Those that have yet to come, by the millisecond at which they do. */
  const coming = new Map<number, string[]>();
  let nowMs = startMs;
  for (let number = 0; number < count; number += 1) {
    const timeMs = events.timeOf(number);
    for (; nowMs < timeMs; nowMs += 1) yield* take(coming, nowMs);
    const delayMs = arrivals.chance(late)
      ? delayMsMax + arrivals.between(lateMsMin, lateMsMax)
      : arrivals.between(0, delayMsMax);
    const line = JSON.stringify(events.event(number));
    const same = coming.get(timeMs + delayMs);
    if (same === undefined) coming.set(timeMs + delayMs, [line]);
    else same.push(line);
  }
  for (const atMs of [...coming.keys()].sort((a, b) => a - b)) yield* take(coming, atMs);
}

function take(coming: Map<number, string[]>, atMs: number): readonly string[] {
  const lines = coming.get(atMs) ?? [];
  coming.delete(atMs);
  return lines;
}

class Events {
  readonly #random: Random;
  readonly #rate: number;
  /** Texts are pieces of it. */
  readonly #letters: string;

  constructor(random: Random, rate: number) {
    this.#random = random;
    this.#rate = rate;
    this.#letters = Array.from({ length: lettersCount }, () => String.fromCharCode(97 + random.below(26))).join('');
  }

  timeOf(number: number): number {
    return startMs + Math.floor((number * 1_000) / this.#rate);
  }

  event(number: number): object {
    const place = number % eventShare;
    if (place < personShare) return { event_type: 0, person: this.#person(number) };
    if (place < personShare + auctionShare) return { event_type: 1, auction: this.#auction(number) };
    return { event_type: 2, bid: this.#bid(number) };
  }

  #person(number: number): object {
    const random = this.#random;
    return {
      id: lastPerson(number) + firstPersonId,
      name: `${random.pick(firstNames)} ${random.pick(lastNames)}`,
      emailAddress: `${this.#text(7)}@${this.#text(5)}.com`,
      creditCard: Array.from({ length: 4 }, () => String(random.below(10_000)).padStart(4, '0')).join(' '),
      city: random.pick(cities),
      state: random.pick(states),
      dateTime: this.timeOf(number),
      extra: this.#text(random.between(60, 120)),
    };
  }

  #auction(number: number): object {
    const random = this.#random;
    const timeMs = this.timeOf(number);
    const initialBid = this.#price();
    const isHot = random.below(hotSellers) > 0;
    const seller = isHot ? Math.floor(lastPerson(number) / hotEvery) * hotEvery : this.#somePerson(number);
    // As long as it takes for so many others to open, on average.
    const horizonMs = this.timeOf(number + Math.floor((openAuctions * eventShare) / auctionShare)) - timeMs;
    return {
      id: lastAuction(number) + firstAuctionId,
      itemName: this.#text(random.between(10, 20)),
      description: this.#text(random.between(50, 100)),
      initialBid,
      reserve: initialBid + this.#price(),
      dateTime: timeMs,
      expires: timeMs + 1 + random.below(Math.max(1, 2 * horizonMs)),
      seller: seller + firstPersonId,
      category: firstCategoryId + random.below(categoryCount),
      extra: this.#text(random.between(200, 400)),
    };
  }

  #bid(number: number): object {
    const random = this.#random;
    const isHotAuction = random.below(hotAuctions) > 0;
    const auction = isHotAuction ? Math.floor(lastAuction(number) / hotEvery) * hotEvery : this.#someAuction(number);
    const isHotBidder = random.below(hotBidders) > 0;
    const bidder = isHotBidder ? Math.floor(lastPerson(number) / hotEvery) * hotEvery + 1 : this.#somePerson(number);
    const price = this.#price();
    const channelNumber = random.below(channelCount);
    const isHotChannel = random.below(2) > 0;
    const channel = isHotChannel ? random.pick(hotChannels) : `channel-${channelNumber}`;
    const site = `https://www.nexmark.com/${this.#text(3)}/${this.#text(4)}/${this.#text(4)}/item.htm?query=1`;
    const hasChannel = !isHotChannel && random.below(10) > 0;
    return {
      auction: auction + firstAuctionId,
      bidder: bidder + firstPersonId,
      price,
      channel,
      url: hasChannel ? `${site}&channel_id=${channelNumber}` : site,
      dateTime: this.timeOf(number),
      extra: this.#text(random.between(20, 60)),
    };
  }

  #somePerson(number: number): number {
    const people = lastPerson(number) + 1;
    const active = Math.min(people, activePeople);
    return people - active + this.#random.below(active + yetToCome);
  }

  #someAuction(number: number): number {
    const last = lastAuction(number);
    const first = Math.max(last - openAuctions, 0);
    return first + this.#random.below(last - first + 1 + yetToCome);
  }

  /** In cents: from 1 to 10,000 in its logarithm. */
  #price(): number {
    return Math.round(10 ** ((this.#random.below(fineness) / fineness) * 6) * 100);
  }

  #text(length: number): string {
    const from = this.#random.below(lettersCount - length);
    return this.#letters.slice(from, from + length);
  }
}

const lettersCount = 10_000;
const fineness = 2 ** 32;

/** The number of the last person who had joined when the event was made. */
function lastPerson(number: number): number {
  const place = Math.min(number % eventShare, personShare - 1);
  return Math.floor(number / eventShare) * personShare + place;
}

/** The number of the last auction that had opened; there is none yet at the very first person, who has one before the first. */
function lastAuction(number: number): number {
  const place = number % eventShare;
  const round = Math.floor(number / eventShare);
  if (place < personShare) return Math.max(0, round * auctionShare - 1);
  return round * auctionShare + Math.min(place - personShare, auctionShare - 1);
}
