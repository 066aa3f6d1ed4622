import { setImmediate } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { createPace, type Pace, putFile } from '#cli/put-file.ts';
import { createKinesisProducer } from '#shared/adapters/kinesis/producer.ts';
import { type LocalKinesis, openKinesis } from '../shared/adapters/kinesis/local-kinesis.ts';

const opened: LocalKinesis[] = [];
afterEach(async () => {
  for (const local of opened.splice(0)) await local.close();
});

const streamName = 'raw';

/** Puts records, with `before` called before each, at a pace; gives what the producer knows behind them. */
async function put(options: {
  count: number;
  pace?: Pace;
  before?: (local: LocalKinesis, number: number) => unknown;
  bytesOf?: (number: number) => number;
}) {
  const { count, pace = createPace(undefined), bytesOf = () => 1 } = options;
  const local = await openKinesis({ throttle: false });
  opened.push(local);
  local.kinesis.createStream({ streamName, shardCount: 1 });
  const producer = createKinesisProducer({ ...local, streamName });
  async function* records() {
    for (let number = 1; number <= count; number += 1) {
      await options.before?.(local, number);
      yield { data: new Uint8Array(bytesOf(number)), number };
    }
  }
  let error = '';
  try {
    for await (const _ of putFile(producer, { path: 'a/file', records: records(), pace }));
  } catch (cause) {
    error = (cause as Error).message;
  }
  return { error, sent: putsOf(local), accepted: producer.acceptedCount(), unanswered: producer.unanswered() };
}

function putsOf({ sent }: LocalKinesis): readonly string[] {
  return sent.filter((operation) => operation.startsWith('PutRecords'));
}

describe('records of a file', () => {
  test('that come without a pause are put in full aggregates', async () => {
    const { accepted, sent } = await put({ count: 1_001 });
    expect({ accepted, sent }).toEqual({ accepted: 1_001, sent: ['PutRecords', 'PutRecords', 'PutRecords'] });
  });

  test('do not wait for the next one, which may be long in coming', async () => {
    const before = async (local: LocalKinesis, number: number) => {
      while (putsOf(local).length < number - 1) await setImmediate();
    };
    expect((await put({ count: 3, before })).sent).toEqual(['PutRecords', 'PutRecords', 'PutRecords']);
  });

  test('do not wait for the next one that comes too early', async () => {
    expect((await put({ count: 2, pace: () => 51 })).sent).toEqual(['PutRecords', 'PutRecords']);
  });

  test('of which one cannot be put are accepted up to it', async () => {
    const { error, accepted, unanswered } = await put({ count: 9, bytesOf: (number) => (number === 3 ? 1 << 20 : 1) });
    expect(error).toContain('INPUT_INVALID: record file:3 has');
    expect({ accepted, unanswered }).toEqual({ accepted: 2, unanswered: [] });
  });

  test('of which an aggregate cannot be put are known up to it', async () => {
    const before = ({ refuse }: LocalKinesis, number: number) => {
      if (number === 502) refuse({ operation: 'PutRecords', error: 'AccessDeniedException', requests: 9 });
    };
    const { error, accepted, unanswered } = await put({ count: 503, before });
    expect(error).toContain('SOURCE_UNAVAILABLE: PutRecords to raw failed');
    expect({ accepted, unanswered }).toEqual({ accepted: 500, unanswered: ['file:501', 'file:502', 'file:503'] });
  });
});
