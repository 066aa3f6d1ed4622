import { expect, test } from 'vitest';
import { ReadBudget } from '#shared/runtime/read-budget.ts';

const goesOn = { isOver: () => false, onChange: () => undefined };

/** Lets all go on that can. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await undefined;
}

test('who finds no room waits until some is given back, in turn', async () => {
  const budget = new ReadBudget(10);
  const order: string[] = [];
  const take = async (name: string, bytes: number) => {
    await budget.take(bytes, goesOn);
    order.push(name);
  };
  await take('a', 6);
  void take('b', 6);
  // It would fit, and waits for those before it all the same: else a large one would wait for ever.
  void take('c', 2);
  await settle();
  expect(order).toEqual(['a']);
  budget.replace(6, 3);
  await settle();
  expect([order, budget.bytes]).toEqual([['a', 'b'], 9]);
  budget.replace(3, 0);
  await settle();
  expect([order, budget.bytes]).toEqual([['a', 'b', 'c'], 8]);
});

test('what is larger than all there is may be read alone', async () => {
  const budget = new ReadBudget(10);
  expect(await budget.take(25, goesOn)).toBe(25);
  let isTaken = false;
  void budget.take(1, goesOn).then(() => {
    isTaken = true;
  });
  await settle();
  expect(isTaken).toBe(false);
  budget.replace(25, 0);
  await settle();
  expect(isTaken).toBe(true);
});

test('who waits hears that others get on, and goes when it is over with nothing taken', async () => {
  const budget = new ReadBudget(10);
  const taken = await budget.take(10, goesOn);
  let changes = 0;
  let isOver = false;
  const waiting = budget.take(5, {
    isOver: () => isOver,
    onChange: () => {
      changes += 1;
    },
  });
  budget.replace(taken, 8);
  await settle();
  expect(changes).toBeGreaterThan(0);
  isOver = true;
  budget.wake();
  expect(await waiting).toBe(0);
  expect(budget.bytes).toBe(8);
});
