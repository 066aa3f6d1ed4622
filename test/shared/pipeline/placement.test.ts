import { describe, expect, test } from 'vitest';
import {
  argMaxAll,
  calendar,
  collect,
  count,
  cumulative,
  type Duration,
  days,
  hours,
  minutes,
  seconds,
  session,
  sliding,
  tumbling,
} from '#shared/pipeline/index.ts';
import {
  keptMaxOnLambda,
  overlapMaxOnLambda,
  overlapMaxOnLambdaByOverride,
  overlapOf,
  type Placement,
  place,
  windowMsMaxOnLambda,
} from '#shared/pipeline/placement.ts';
import type { StepDefinition } from '#shared/pipeline/stream.ts';
import { type AlignedWindow, isAligned, type SessionWindow, type WindowSpec } from '#shared/pipeline/window.ts';
import { columns, pipelineOf, readings, sink } from '../readings.ts';

function stepOf(
  window: WindowSpec,
  change: { readonly emit?: 'on-close'; readonly placement?: Placement } = {},
): StepDefinition {
  const keyed = readings().keyBy((reading) => ({ key: reading.key }));
  const options = { allowedLateness: seconds(0), ...change };
  const windowed = isAligned(window) ? keyed.window(window, options) : keyed.window(window as SessionWindow, options);
  return windowed.aggregate('step', columns).to(sink).step;
}

/** A window in which a record is `overlap` times. */
function overlapping(overlap: number): WindowSpec {
  return sliding(seconds(overlap), { every: seconds(1) });
}

const sessions = session({ gap: minutes(1) });
const justLonger = (windowMsMaxOnLambda + 1) as Duration;

test('lists of more than 100 values go to fargate, and may be set to lambda', () => {
  const listOf = (max: number, change: { readonly placement?: Placement } = {}): StepDefinition =>
    readings()
      .keyBy((reading) => ({ key: reading.key }))
      .window(tumbling(minutes(1)), { allowedLateness: seconds(0), ...change })
      .aggregate('step', { n: count(), latest: collect((reading) => reading.amount, { max }) })
      .to(sink).step;
  expect(place(listOf(keptMaxOnLambda)).placement).toBe('lambda');
  expect(place(listOf(keptMaxOnLambda + 1))).toEqual({
    placement: 'fargate',
    reason: 'column latest keeps up to 101 values of a key, which stay in memory instead of being rewritten',
  });
  expect(place(listOf(1_000, { placement: 'lambda' }))).toMatchObject({ placement: 'lambda' });
});

test('so do all values that are tied, of which there may be any number', () => {
  const step = readings()
    .keyBy((reading) => ({ key: reading.key }))
    .window(tumbling(minutes(1)), { allowedLateness: seconds(0) })
    .aggregate('step', { best: argMaxAll((reading) => reading.at, { by: (reading) => reading.amount }) })
    .to(sink).step;
  expect(place(step).reason).toMatch(/^column best keeps any number of values of a key, which stay in memory/);
});

describe('without a wish', () => {
  test.each<readonly [string, WindowSpec, 'on-close' | undefined, Placement, RegExp]>([
    ['tumbling windows go to lambda', tumbling(minutes(1)), undefined, 'lambda', /small mergeable state/],
    ['windows of 6 h still do', tumbling(hours(6)), undefined, 'lambda', /small mergeable state/],
    ['longer ones go to fargate', tumbling(justLonger), undefined, 'fargate', /stay in memory/],
    ['a week says how long it is', tumbling(days(7)), undefined, 'fargate', /windows of 168 h/],
    ['on-close goes to fargate', tumbling(minutes(1)), 'on-close', 'fargate', /fires once/],
    [
      'calendar days go to fargate',
      calendar('day', { timeZone: 'UTC' }),
      undefined,
      'fargate',
      /of a day stay in memory/,
    ],
    ['sessions go to fargate', sessions, undefined, 'fargate', /sessions grow and merge/],
    [
      '8 overlapping windows go to lambda',
      overlapping(overlapMaxOnLambda),
      undefined,
      'lambda',
      /small mergeable state/,
    ],
    ['9 go to fargate', overlapping(overlapMaxOnLambda + 1), undefined, 'fargate', /in 9 overlapping windows/],
  ])('%s', (_, window, emit, placement, reason) => {
    expect(place(stepOf(window, emit === undefined ? {} : { emit }))).toEqual({
      placement,
      reason: expect.stringMatching(reason),
    });
  });
});

describe('an override', () => {
  test('is followed, and the reason says what would have been', () => {
    expect(place(stepOf(tumbling(minutes(1)), { placement: 'fargate' }))).toEqual({
      placement: 'fargate',
      reason: 'set by the pipeline (automatic: lambda)',
    });
  });

  test('that wishes what is automatic keeps the automatic reason', () => {
    const window = tumbling(minutes(1));
    expect(place(stepOf(window, { placement: 'lambda' }))).toEqual(place(stepOf(window)));
  });

  test.each<readonly [string, WindowSpec, 'on-close' | undefined]>([
    ['long windows', tumbling(justLonger), undefined],
    ['on-close', tumbling(minutes(1)), 'on-close'],
    ['100 overlapping windows', overlapping(overlapMaxOnLambdaByOverride), undefined],
  ])('puts %s on lambda', (_, window, emit) => {
    const step = stepOf(window, { placement: 'lambda', ...(emit === undefined ? {} : { emit }) });
    expect(place(step)).toEqual({ placement: 'lambda', reason: 'set by the pipeline (automatic: fargate)' });
  });

  test.each<readonly [string, WindowSpec, RegExp]>([
    ['sessions', sessions, /sessions are judged against the sessions before them/],
    ['101 overlapping windows', overlapping(overlapMaxOnLambdaByOverride + 1), /in 101 windows.*at most 100/],
  ])('cannot put %s on lambda', (_, window, refusal) => {
    expect(place(stepOf(window, { placement: 'lambda' })).refusal).toMatch(refusal);
  });

  test('that is refused stops the pipeline, naming the step and the reason', () => {
    const step = stepOf(sessions, { placement: 'lambda' });
    expect(() => pipelineOf([{ name: step.name, step }])).toThrow(
      /^PLACEMENT_REFUSED: test: step step cannot be placed on lambda: sessions are judged/,
    );
  });
});

describe('overlapOf', () => {
  test.each<readonly [AlignedWindow, number]>([
    [tumbling(minutes(1)), 1],
    [sliding(seconds(10), { every: seconds(10) }), 1],
    [sliding(seconds(10), { every: seconds(5) }), 2],
    // [0--------10)
    //         [8---------18)    a record at 9 is in both, one at 5 in the first alone
    [sliding(seconds(10), { every: seconds(8) }), 2],
    [sliding(seconds(10), { every: seconds(3) }), 4],
    [cumulative(seconds(10), { step: seconds(2) }), 5],
    [calendar('month', { timeZone: 'UTC' }), 1],
  ])('of %j is %d', (window, overlap) => {
    expect(overlapOf(window)).toBe(overlap);
  });
});
