import { expect, test } from 'vitest';
import { createMemoryResultStore } from '#shared/adapters/memory/result-store.ts';
import { logPosition } from '#shared/schemas/position.ts';
import { resultStoreContract } from '#test/contracts/result-store.ts';

resultStoreContract('the result store in memory', async () => createMemoryResultStore());

test('a store that is made from a dump holds the same, and goes its own way', async () => {
  const bounds = { view: 'by-ip', windowStartMs: 0, windowEndMs: 60_000, final: false, expiresMs: 1_000 };
  const row = { ...bounds, key: 'ip=1', position: logPosition(1, '1'), columns: { requests: 1 } };
  const store = createMemoryResultStore();
  await store.writeRows([row]);
  await store.writeTotals([{ ...bounds, slot: 3, position: logPosition(1, '1'), columns: {} }]);
  const copy = createMemoryResultStore(store.dump());
  expect(copy.dump()).toEqual(store.dump());
  await copy.writeRows([{ ...row, position: logPosition(1, '2') }]);
  expect(store.dump().rows).toEqual([row]);
});
