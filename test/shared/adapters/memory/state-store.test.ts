import { expect, test } from 'vitest';
import { createMemoryStateStore } from '#shared/adapters/memory/state-store.ts';
import { logPosition } from '#shared/schemas/position.ts';
import { stateStoreContract } from '#test/contracts/state-store.ts';

stateStoreContract('the state store in memory', async () => createMemoryStateStore());

test('a store that is made from a dump holds the same, and goes its own way', async () => {
  const store = createMemoryStateStore();
  const cell = { id: { step: 'by-ip', slot: 0, paneMs: 0, group: 0 }, position: logPosition(1, '1'), body: '[]' };
  await store.writeCell({ cell, read: undefined, expiresMs: 1 });
  await store.writeOrigin({
    source: 'a',
    shard: 's',
    counts: { sequence: '1', sent: 1, filtered: 0, rejected: 0 },
    read: undefined,
  });
  await store.addLateMarks([{ source: 'a', origin: 's', position: ['1', 0], stage: 'window', shares: 2 }]);
  await store.recordGeneration('s', 1);
  const copy = createMemoryStateStore(store.dump());
  expect(copy.dump()).toEqual(store.dump());
  await copy.writeCell({ cell: { ...cell, position: logPosition(1, '2') }, read: cell.position, expiresMs: 1 });
  expect((await store.readCells([cell.id]))[0]?.position).toBe(cell.position);
});
