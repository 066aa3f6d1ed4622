import { flows } from '#pipelines/flow.ts';
import { type CompiledPipeline, compile } from '#shared/engine/compile/compile.ts';
import { count, dynamodb, hours, pipeline, seconds, session, sum, tumbling } from '#shared/pipeline/index.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import type { Block } from '#shared/schemas/block.ts';
import { subMax } from '#shared/schemas/position.ts';

/** Windows and sessions of the same keys, a count and a sum each, in the worker. Nothing closes before an hour of event time. */
export function windowsAndSessions(slots: number): {
  readonly pipeline: Pipeline;
  readonly compiled: CompiledPipeline;
} {
  const byIp = flows.keyBy((flow) => ({ ip: flow.ip }));
  const columns = { count: count<{ bytes: number }>(), bytes: sum((flow: { bytes: number }) => flow.bytes) };
  const made = pipeline(
    'checkpoint',
    [
      byIp
        .window(tumbling(hours(1)), { allowedLateness: seconds(0), placement: 'fargate', emit: 'on-close' })
        .aggregate('windows', columns)
        .to(dynamodb({ ttl: hours(1) })),
      byIp
        .window(session({ gap: hours(1) }), { allowedLateness: seconds(0) })
        .aggregate('sessions', columns)
        .to(dynamodb({ ttl: hours(1) })),
    ],
    { slots },
  );
  return { pipeline: made, compiled: compile(made) };
}

/** A block with one record for each of these keys. Its sequence is its position of origin, which rises in a slot's log. */
export function flowBlock(
  compiled: CompiledPipeline,
  it: {
    readonly slot: number;
    readonly sequence: number;
    readonly keys: readonly number[];
    /** Of a key. */
    readonly ipOf?: (key: number) => string;
  },
): Block {
  const { slot, sequence, keys, ipOf = shortIp } = it;
  const [route] = compiled.routes.values();
  return {
    version: 1,
    pipeline: compiled.id,
    plan: compiled.planHash,
    slots: compiled.slots,
    slot,
    origin: {
      source: 'flows',
      shard: 'shard',
      from: null,
      to: [String(sequence), subMax],
      watermarkMs: 0,
      roster: { shard: [] },
    },
    routes: [
      {
        route: route?.id ?? '',
        sequences: [String(sequence)],
        sequence: keys.map(() => 0),
        sub: keys.map((_, index) => index),
        timeMs: keys.map((key) => 1_000 + (key % 1_000_000)),
        keys: keys.map((key) => `ip=${ipOf(key)}`),
        key: keys.map((_, index) => index),
        shares: keys.map(() => 1),
        columns: (route?.columns ?? []).map(({ select }) =>
          keys.map((key) => select({ bytes: (key * 7_919) % 100_003 }, 1_000 + (key % 1_000_000))),
        ),
      },
    ],
  };
}

function shortIp(key: number): string {
  return `10.${key >> 16}.${(key >> 8) & 255}.${key & 255}`;
}
