import {
  type AnyOutput,
  calendar,
  cumulative,
  milliseconds,
  type Placement,
  seconds,
  shareOfTotal,
} from '#shared/pipeline/index.ts';
import { columns, type Keyed, shares, sink } from './records.ts';

// Windows beyond the tumbling and sliding ones.

const cumulated = (name: string, keyed: Keyed, placement: Placement): AnyOutput =>
  keyed
    .window(cumulative(seconds(20), { step: seconds(5) }), {
      allowedLateness: seconds(1),
      refresh: milliseconds(500),
      placement,
    })
    .aggregate(name, columns)
    .derive(shares)
    .to(sink);

/** The simulation begins at midnight, and at the beginning of a month, in UTC. */
const daily = (name: string, keyed: Keyed, placement: Placement): AnyOutput =>
  keyed
    .window(calendar('day', { timeZone: 'UTC' }), { allowedLateness: seconds(0), refresh: seconds(1), placement })
    .aggregate(name, columns)
    .derive({ share: shareOfTotal('total') })
    .to(sink);

/** Windows of several sizes, on both hosts, and their best rows. */
export function ofSeveralSizes(keyed: Keyed): readonly AnyOutput[] {
  const closing = { allowedLateness: seconds(0), emit: 'on-close' } as const;
  return [
    cumulated('cumulative', keyed, 'lambda'),
    cumulated('cumulative-on-worker', keyed, 'fargate'),
    daily('days', keyed, 'lambda'),
    daily('days-on-worker', keyed, 'fargate'),
    keyed
      .window(cumulative(seconds(15), { step: seconds(5) }), closing)
      .aggregate('so-far', columns)
      .top('best-so-far', 2, { by: 'total' })
      .to(sink),
    keyed
      .window(calendar('month', { timeZone: 'UTC' }), closing)
      .aggregate('months', columns)
      .top('best-of-month', 1, { by: 'requests' })
      .to(sink),
  ];
}
