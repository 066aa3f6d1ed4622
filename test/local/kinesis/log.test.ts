import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkReach } from '#local/kept.ts';
import { openKinesis } from '#local/kinesis/log.ts';
import type { Kinesis } from '#local/kinesis/model.ts';

const dayMs = 86_400_000;
const startMs = 1_700_000_000_000;

function newFolder(): string {
  return mkdtempSync(join(tmpdir(), 'millrace-kinesis-'));
}

function logPath(folder: string): string {
  return join(folder, 'kinesis.log');
}

/** Opens the log of a folder, does something with it and closes it. */
function withKinesis<T>(folder: string, use: (kinesis: Kinesis) => T, nowMs = startMs): T {
  const { kinesis, close } = openKinesis({ folder, now: () => nowMs });
  try {
    return use(kinesis);
  } finally {
    close();
  }
}

function put(kinesis: Kinesis, text: string) {
  return kinesis.putRecord({ streamName: 's', partitionKey: 'ключ', data: Buffer.from(text) });
}

function texts(kinesis: Kinesis): readonly string[] {
  return kinesis.listShards('s').flatMap(({ shardId }) => {
    const page = { from: { type: 'TRIM_HORIZON' }, recordsMax: 10_000, bytesMax: 10_000_000 } as const;
    return kinesis
      .read({ streamName: 's', shardId, ...page })
      .records.map((record) => Buffer.from(record.data).toString());
  });
}

/** Kinesis runs on a folder for a day, and every ten minutes something is put into another stream, and read. */
function runForDay(folder: string, fromMs: number): void {
  let nowMs = fromMs;
  const { kinesis, close } = openKinesis({ folder, now: () => nowMs });
  kinesis.createStream({ streamName: `ticks-${fromMs}` });
  for (; nowMs <= fromMs + dayMs; nowMs += 600_000) {
    kinesis.putRecord({ streamName: `ticks-${fromMs}`, partitionKey: 'k', data: new Uint8Array() });
    kinesis.listShards('s');
  }
  close();
}

test('what was put is there after the log was opened again', () => {
  const folder = newFolder();
  const read = (kinesis: Kinesis) =>
    kinesis.read({
      streamName: 's',
      shardId: 'shardId-000000000000',
      from: { type: 'TRIM_HORIZON' },
      recordsMax: 10,
      bytesMax: 1_000,
    });
  const before = withKinesis(folder, (kinesis) => {
    kinesis.createStream({ streamName: 's' });
    put(kinesis, 'a');
    put(kinesis, '');
    put(kinesis, 'é');
    return read(kinesis);
  });
  expect(withKinesis(folder, read)).toEqual(before);
});

test('streams, shards, consumers and tags are as they were', () => {
  const folder = newFolder();
  const describe = (kinesis: Kinesis) =>
    kinesis.listStreams().map((name) => [kinesis.describeStream(name), kinesis.listShards(name)]);
  const before = withKinesis(folder, (kinesis) => {
    kinesis.createStream({ streamName: 's', shardCount: 2, tags: { a: 'b' } });
    kinesis.createStream({ streamName: 'deleted' });
    kinesis.deleteStream('deleted');
    kinesis.updateShardCount({ streamName: 's', targetShardCount: 3 });
    kinesis.registerConsumer({ streamName: 's', consumerName: 'reader' });
    kinesis.setRetention({ streamName: 's', retentionHours: 48 });
    return describe(kinesis);
  });
  expect(withKinesis(folder, describe)).toEqual(before);
});

test('sequence numbers go on where they were', () => {
  const folder = newFolder();
  const before = withKinesis(folder, (kinesis) => {
    kinesis.createStream({ streamName: 's' });
    return put(kinesis, 'a').sequenceNumber;
  });
  const after = withKinesis(folder, (kinesis) => put(kinesis, 'b').sequenceNumber);
  expect(after > before).toBe(true);
});

//  [stream][a][b][c]   cut anywhere: the whole ones before the cut are there, and the next put follows them.
test('a torn end is cut off, wherever it was torn', () => {
  const folder = newFolder();
  const ends = withKinesis(folder, (kinesis) => {
    kinesis.createStream({ streamName: 's' });
    return ['', 'a', 'b', 'c'].map((text) => {
      if (text !== '') put(kinesis, text);
      return { text, end: statSync(logPath(folder)).size };
    });
  });
  const bytes = readFileSync(logPath(folder));
  const [first] = ends;
  for (let size = first?.end ?? 0; size <= bytes.length; size += 1) {
    writeFileSync(logPath(folder), bytes.subarray(0, size));
    const whole = ends.filter(({ text, end }) => text !== '' && end <= size).map(({ text }) => text);
    withKinesis(folder, (kinesis) => {
      expect(texts(kinesis), `cut to ${size} bytes`).toEqual(whole);
      put(kinesis, 'next');
    });
    expect(withKinesis(folder, texts)).toEqual([...whole, 'next']);
  }
});

test('a damaged byte is an error, wherever it is', () => {
  const folder = newFolder();
  withKinesis(folder, (kinesis) => {
    kinesis.createStream({ streamName: 's' });
    for (const text of ['a', 'b']) put(kinesis, text);
  });
  const bytes = readFileSync(logPath(folder));
  for (let at = 0; at < bytes.length; at += 1) {
    const damaged = Buffer.from(bytes);
    damaged.writeUInt8(damaged.readUInt8(at) ^ 0x10, at);
    writeFileSync(logPath(folder), damaged);
    const open = () => withKinesis(folder, texts);
    expect(open, `byte ${at}`).toThrow(expect.objectContaining({ code: 'STATE_UNREADABLE' }));
  }
});

test('what retention has trimmed is taken out of the log when it is opened', () => {
  const folder = newFolder();
  withKinesis(folder, (kinesis) => {
    kinesis.createStream({ streamName: 's' });
    for (let count = 0; count < 900; count += 1) put(kinesis, 'old');
  });
  const sizeBefore = statSync(logPath(folder)).size;
  runForDay(folder, startMs);
  const kept = withKinesis(folder, (kinesis) => put(kinesis, 'new'), startMs + dayMs);
  withKinesis(folder, (kinesis) => expect(texts(kinesis)).toEqual(['new']), startMs + dayMs);
  expect(statSync(logPath(folder)).size).toBeLessThan(sizeBefore / 5);
  withKinesis(
    folder,
    (kinesis) => {
      expect(texts(kinesis)).toEqual(['new']);
      expect(put(kinesis, 'newer').sequenceNumber > kept.sequenceNumber).toBe(true);
    },
    startMs + dayMs,
  );
});

test('what was not read when Kinesis was closed is there however much later it is opened', () => {
  const folder = newFolder();
  withKinesis(folder, (kinesis) => {
    kinesis.createStream({ streamName: 's', shardCount: 2 });
    kinesis.mergeShards({ streamName: 's', shardId: 'shardId-000000000000', adjacentShardId: 'shardId-000000000001' });
    put(kinesis, 'a');
  });
  const shards = withKinesis(
    folder,
    (kinesis) => {
      expect(texts(kinesis)).toEqual(['a']);
      return kinesis.listShards('s').length;
    },
    startMs + 10 * dayMs,
  );
  expect(shards).toBe(3);
});

test('what was not read when the machine fell asleep is there when it wakes, until it ran for the retention', () => {
  const folder = newFolder();
  let nowMs = startMs;
  const { kinesis, close } = openKinesis({ folder, now: () => nowMs });
  kinesis.createStream({ streamName: 's' });
  put(kinesis, 'a');
  expect(texts(kinesis)).toEqual(['a']);
  nowMs += 10 * dayMs;
  expect(texts(kinesis)).toEqual(['a']);
  for (const endMs = nowMs + dayMs; nowMs < endMs; nowMs += 600_000) expect(texts(kinesis)).toEqual(['a']);
  expect(texts(kinesis)).toEqual([]);
  close();
});

test('a shard of which all was taken out still gives no number twice', () => {
  const folder = newFolder();
  const before = withKinesis(folder, (kinesis) => {
    kinesis.createStream({ streamName: 's' });
    put(kinesis, 'a');
    return put(kinesis, 'b').sequenceNumber;
  });
  runForDay(folder, startMs);
  expect(withKinesis(folder, texts, startMs + dayMs)).toEqual([]);
  const after = withKinesis(folder, (kinesis) => put(kinesis, 'c').sequenceNumber, startMs + 2 * dayMs);
  expect(after > before).toBe(true);
});

test('a log of which nothing was trimmed is left as it is', () => {
  const folder = newFolder();
  withKinesis(folder, (kinesis) => {
    kinesis.createStream({ streamName: 's' });
    put(kinesis, 'a');
  });
  const { ino } = statSync(logPath(folder));
  withKinesis(folder, texts);
  expect(statSync(logPath(folder)).ino).toBe(ino);
});

test('more records than one entry of the log holds come back in their order', () => {
  const folder = newFolder();
  const all = Array.from({ length: 1_201 }, (_, index) => `record ${index}`);
  const open = () => openKinesis({ folder, now: () => startMs, throttle: false });
  const first = open();
  first.kinesis.createStream({ streamName: 's' });
  first.kinesis.createStream({ streamName: 'deleted' });
  for (const text of all) put(first.kinesis, text);
  // What is deleted makes the next open write the log anew.
  first.kinesis.deleteStream('deleted');
  first.close();
  expect(withKinesis(folder, texts)).toEqual(all);
  expect(withKinesis(folder, texts)).toEqual(all);
});

test('what was acknowledged survives a kill', async () => {
  const folder = newFolder();
  const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', putForever(folder)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let acknowledged = 0;
  for await (const chunk of child.stdout) {
    acknowledged += String(chunk).length;
    if (acknowledged >= 2_000) child.kill('SIGKILL');
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  const survived = withKinesis(folder, texts, Date.now());
  expect(survived.length).toBeGreaterThanOrEqual(acknowledged);
  expect(survived).toEqual(survived.map((_, index) => String(index)));
});

/** Writes a dot for each record that was acknowledged. */
function putForever(folder: string): string {
  const log = new URL('../../../local/kinesis/log.ts', import.meta.url).href;
  return `
    import { writeSync } from 'node:fs';
    import { openKinesis } from '${log}';
    const { kinesis } = openKinesis({ folder: '${folder}', now: () => Date.now(), throttle: false });
    kinesis.createStream({ streamName: 's' });
    for (let count = 0; ; count += 1) {
      kinesis.putRecord({ streamName: 's', partitionKey: 'k', data: Buffer.from(String(count)) });
      writeSync(1, '.');
    }`;
}

// /dev/full takes what is opened and refuses what is written.
test.skipIf(process.platform !== 'linux')('a full disk refuses the change and says what to do', () => {
  const folder = newFolder();
  symlinkSync('/dev/full', logPath(folder));
  const { kinesis, close } = openKinesis({ folder, now: () => startMs });
  expect(() => kinesis.createStream({ streamName: 's' })).toThrow(
    expect.objectContaining({ code: 'DISK_FULL', message: expect.stringContaining(folder) }),
  );
  expect(kinesis.listStreams()).toEqual([]);
  close();
});

test.each(['while it runs', 'while it is stopped'])('a clock that is set back %s does not stop arrivals', (when) => {
  const folder = newFolder();
  let nowMs = startMs;
  let steadyMs = 0;
  const open = () => openKinesis({ folder, now: () => nowMs, steady: () => steadyMs });
  let { kinesis, close } = open();
  kinesis.createStream({ streamName: 's' });
  put(kinesis, 'before');
  nowMs -= dayMs;
  if (when === 'while it is stopped') {
    close();
    ({ kinesis, close } = open());
    kinesis.now();
  }
  steadyMs += 5_000;
  nowMs += 5_000;
  put(kinesis, 'after');
  const [{ shardId } = { shardId: '' }] = kinesis.listShards('s');
  const page = { from: { type: 'TRIM_HORIZON' }, recordsMax: 10, bytesMax: 1_000 } as const;
  const { records } = kinesis.read({ streamName: 's', shardId, ...page });
  expect(records.map(({ arrivalMs }) => arrivalMs - startMs)).toEqual([0, 5_000]);
  close();
});

test('what was read of a shard is not behind its tip when retention has taken it', () => {
  const folder = newFolder();
  const { sequenceNumber, shardId } = withKinesis(folder, (kinesis) => {
    kinesis.createStream({ streamName: 's' });
    return put(kinesis, 'read');
  });
  for (const day of [0, 1, 2]) runForDay(folder, startMs + day * (dayMs + 600_000));
  for (const _ of ['trimmed', 'taken out of the log'])
    withKinesis(
      folder,
      (kinesis) => {
        expect(texts(kinesis)).toEqual([]);
        const from = { type: 'AFTER_SEQUENCE_NUMBER', sequenceNumber } as const;
        checkReach(kinesis, { folder, streamName: 's', shards: { [shardId]: { from } } });
        const page = { from: { type: 'LATEST' }, recordsMax: 1, bytesMax: 1 } as const;
        const { next } = kinesis.read({ streamName: 's', shardId, ...page });
        expect(next).toMatchObject({ type: 'AFTER_SEQUENCE_NUMBER' });
      },
      startMs + 4 * dayMs,
    );
  withKinesis(
    folder,
    (kinesis) => {
      const page = { from: { type: 'LATEST' }, recordsMax: 1, bytesMax: 1 } as const;
      const { next } = kinesis.read({ streamName: 's', shardId, ...page });
      put(kinesis, 'new');
      const { records } = kinesis.read({ ...page, streamName: 's', shardId, from: next });
      expect(records).toHaveLength(1);
    },
    startMs + 4 * dayMs,
  );
});
