import { expect, test } from 'vitest';
import { createMemoryStateStore } from '#shared/adapters/memory/state-store.ts';
import { contractOf, nameOfLoss, stateToken } from '#shared/pipeline/contract.ts';
import { type AnyOutput, milliseconds, tumbling } from '#shared/pipeline/index.ts';
import { createAdmission } from '#shared/runtime/admission.ts';
import { columns, pipelineOf, readings, sink } from '../readings.ts';

const keyed = readings().keyBy((reading) => ({ key: reading.key }));

function step(name: string, size = 10): AnyOutput {
  return keyed
    .window(tumbling(milliseconds(size)), { allowedLateness: milliseconds(0) })
    .aggregate(name, columns)
    .to(sink);
}

const one = pipelineOf([step('one')]);

test('the first host records the contract, and others of its plan find it', async () => {
  const state = createMemoryStateStore();
  await Promise.all([createAdmission(one, state)(), createAdmission(one, state)()]);
  expect(await state.readContract()).toEqual({ plan: one.planHash, body: JSON.stringify(contractOf(one.plan)) });
});

test('a contract that goes on takes the place of the one before', async () => {
  const state = createMemoryStateStore();
  await createAdmission(one, state)();
  const two = pipelineOf([step('one'), step('two')]);
  await createAdmission(two, state)();
  expect((await state.readContract())?.plan).toBe(two.planHash);
});

test('a loss is refused, and the contract stays', async () => {
  const state = createMemoryStateStore();
  await createAdmission(one, state)();
  const other = pipelineOf([step('one', 20)]);
  await expect(createAdmission(other, state)()).rejects.toThrow(
    /^STATE_WOULD_BE_LOST: state of pipeline test would be lost\.\n {2}step one: window .*--drop-state one/,
  );
  expect((await state.readContract())?.plan).toBe(one.planHash);
});

test('a loss that was named is not', async () => {
  const state = createMemoryStateStore();
  await createAdmission(one, state)();
  const [lost] = contractOf(one.plan).steps.map((each) => nameOfLoss(each.id, stateToken(each)));
  const other = { ...pipelineOf([step('one', 20)]), dropped: [lost ?? ''] };
  await createAdmission(other, state)();
  expect((await state.readContract())?.plan).toBe(other.planHash);
});

test('another number of slots is refused, with what to do', async () => {
  const state = createMemoryStateStore();
  await createAdmission(one, state)();
  const wider = pipelineOf([step('one')], { slots: 2 });
  await expect(createAdmission(wider, state)()).rejects.toThrow(
    /^SLOTS_MISMATCH: .*\n {2}slots 1 became 2: .*savepoint create test/,
  );
});

test('what the store did not answer is asked again', async () => {
  const state = createMemoryStateStore();
  let failures = 1;
  const failing = {
    ...state,
    readContract: async () => {
      if (failures-- > 0) throw new Error('no answer');
      return state.readContract();
    },
  };
  const admit = createAdmission(one, failing);
  await expect(admit()).rejects.toThrow('no answer');
  await admit();
  expect((await state.readContract())?.plan).toBe(one.planHash);
});
