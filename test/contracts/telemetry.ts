import { describe, expect, test, vi } from 'vitest';
import type { LogLevel, MetricName, Telemetry } from '#shared/ports/telemetry.ts';

export interface TelemetryHarness {
  readonly telemetry: Telemetry;
  /** What was reported since the harness was opened and was flushed, with each metric's own labels. */
  readonly samples: () => readonly {
    readonly name: MetricName;
    readonly value: number;
    readonly labels: Readonly<Record<string, string>>;
  }[];
  readonly lines: () => readonly {
    readonly level: LogLevel;
    readonly message: string;
    readonly fields: Readonly<Record<string, unknown>>;
  }[];
}

/** What every Telemetry must do. */
export function telemetryContract(name: string, open: () => TelemetryHarness): void {
  describe(name, () => {
    test('totals are added up', () => {
      const { telemetry, samples } = open();
      telemetry.metric('records_in_total', 2);
      telemetry.metric('records_in_total', 3);
      telemetry.flush();
      expect(samples()).toEqual([{ name: 'records_in_total', value: 5, labels: {} }]);
    });

    test('of all other metrics the latest value counts', () => {
      const { telemetry, samples } = open();
      telemetry.metric('checkpoint_age_ms', 200);
      telemetry.metric('checkpoint_age_ms', -100);
      telemetry.flush();
      expect(samples()).toEqual([{ name: 'checkpoint_age_ms', value: -100, labels: {} }]);
    });

    test('shards are told apart', () => {
      const { telemetry, samples } = open();
      telemetry.metric('records_in_total', 2, { shard: 'a' });
      telemetry.metric('records_in_total', 3, { shard: 'b' });
      telemetry.flush();
      expect(samples()).toEqual([
        { name: 'records_in_total', value: 2, labels: { shard: 'a' } },
        { name: 'records_in_total', value: 3, labels: { shard: 'b' } },
      ]);
    });

    test('the order of labels does not matter', () => {
      const { telemetry, samples } = open();
      telemetry.metric('records_in_total', 2, { shard: 'a', slot: '1' });
      telemetry.metric('records_in_total', 3, { slot: '1', shard: 'a' });
      telemetry.flush();
      expect(samples()).toMatchObject([{ value: 5 }]);
    });

    test.each([99, 100, 101, 250])('%i shards are all reported, once', (shards) => {
      const { telemetry, samples, lines } = open();
      for (let shard = 0; shard < shards; shard += 1)
        telemetry.metric('millis_behind_latest', shard, { shard: `${shard}` });
      telemetry.flush();
      expect(samples().map((sample) => sample.value)).toEqual(Array.from({ length: shards }, (_, shard) => shard));
      expect(lines()).toEqual([]);
    });

    test.each([Number.NaN, Number.POSITIVE_INFINITY])('a value of %d is left out, and the others are not', (value) => {
      const { telemetry, samples } = open();
      telemetry.metric('busy_ratio', value);
      telemetry.metric('leases', 3);
      telemetry.flush();
      expect(samples()).toEqual([{ name: 'leases', value: 3, labels: {} }]);
    });

    test('a flush without metrics writes nothing', () => {
      const { telemetry, samples, lines } = open();
      telemetry.flush();
      expect(samples()).toEqual([]);
      expect(lines()).toEqual([]);
    });

    test.each(['info', 'warn', 'error'] as const)('a log line of level %s has its message and fields', (level) => {
      const { telemetry, lines } = open();
      telemetry.log(level, 'It happened.', { slot: 3, where: { shard: 'a' } });
      expect(lines()).toEqual([{ level, message: 'It happened.', fields: { slot: 3, where: { shard: 'a' } } }]);
    });

    test('fields cannot take the place of what a line is made of', () => {
      const { telemetry, lines } = open();
      telemetry.log('info', 'It happened.', { level: 'x', message: 'y', pipeline: 'z' });
      expect(lines()).toMatchObject([{ level: 'info', message: 'It happened.' }]);
    });

    test('an error is logged with its code, its stack and its cause', () => {
      const { telemetry, lines } = open();
      const error = Object.assign(new Error('outer', { cause: new Error('inner') }), { code: 'BLOB_UNAVAILABLE' });
      telemetry.log('error', 'It failed.', { error });
      expect(lines()[0]?.fields['error']).toMatchObject({
        code: 'BLOB_UNAVAILABLE',
        message: 'outer',
        stack: expect.stringContaining('telemetry.ts'),
        cause: { message: 'inner' },
      });
    });

    test('fields that no JSON can hold stop nothing', () => {
      const { telemetry, lines } = open();
      vi.spyOn(console, 'error').mockImplementation(() => {});
      const circle: Record<string, unknown> = {};
      circle['self'] = circle;
      const thrower = {
        toJSON: () => {
          throw new Error('no');
        },
      };
      telemetry.log('info', 'circle', { circle });
      telemetry.log('info', 'big', { big: 2n ** 70n, none: undefined, call: () => 1 });
      telemetry.log('info', 'thrower', { thrower });
      telemetry.log('info', 'after');
      const messages = lines().map((line) => line.message);
      expect(messages).toEqual(expect.arrayContaining(['circle', 'big', 'after']));
      vi.restoreAllMocks();
    });
  });
}
