import { linkSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { pipelines } from '#pipelines/index.ts';
import { type AnyOutput, milliseconds, tumbling } from '#shared/pipeline/index.ts';
import {
  type ContractFile,
  readContractFile,
  recordedBySavepoint,
  settleContract,
  writeContractFile,
} from '#shared/runtime/contract-file.ts';
import { columns, pipelineOf, readings, sink } from '../readings.ts';

const folder = mkdtempSync(join(tmpdir(), 'contracts-'));
afterAll(() => rmSync(folder, { recursive: true }));

const keyed = readings().keyBy((reading) => ({ key: reading.key }));

function step(name: string, size = 10): AnyOutput {
  return keyed
    .window(tumbling(milliseconds(size)), { allowedLateness: milliseconds(0) })
    .aggregate(name, columns)
    .to(sink);
}

const none = { dropState: [] };
const one = pipelineOf([step('one')]);
const other = pipelineOf([step('one', 20)]);
const { file } = settleContract(one, undefined, none);

/** The file behind each of these starts, the first of which has none before it. */
function behind(...starts: readonly (readonly [typeof one, ...string[]])[]): ContractFile {
  let recorded: ContractFile | undefined;
  for (const [pipeline, ...dropState] of starts) recorded = settleContract(pipeline, recorded, { dropState }).file;
  if (recorded === undefined) throw new Error('a test starts at least once');
  return recorded;
}

describe('a contract that is recorded', () => {
  test('is read as it was written', () => {
    const path = join(folder, 'deep', 'one.json');
    expect(readContractFile(path)).toBeUndefined();
    writeContractFile(path, file);
    expect(readContractFile(path)).toEqual(file);
  });

  test('is put in the place of the one before, which nobody sees in part', () => {
    const [path, before] = [join(folder, 'replaced.json'), join(folder, 'before.json')];
    writeFileSync(path, 'before');
    linkSync(path, before);
    writeContractFile(path, file);
    expect([readFileSync(before, 'utf8'), readContractFile(path)]).toEqual(['before', file]);
  });

  test('that is damaged is not taken for none', () => {
    const path = join(folder, 'broken.json');
    writeFileSync(path, '{"dropped": [');
    expect(() => readContractFile(path)).toThrow(/^INPUT_UNREADABLE: .*broken.json/);
    writeFileSync(path, '{"dropped": []}');
    expect(() => readContractFile(path)).toThrow(/^INPUT_UNREADABLE/);
  });

  test('takes what goes on, and says what differs', () => {
    const settled = settleContract(pipelineOf([step('two'), step('one')]), file, none);
    expect(settled.differences.map(({ kind, what }) => `${kind} ${what}`)).toEqual(['compatible step two is new']);
    expect(settled.pipeline.dropped).toEqual([]);
  });

  test('refuses a loss that was not named', () => {
    expect(() => settleContract(other, file, none)).toThrow(/^STATE_WOULD_BE_LOST/);
    const renamed = pipelineOf([step('uno')]);
    expect(() => settleContract(renamed, file, none)).toThrow(/give it back the name one/);
  });

  test('takes a loss that was named, hands it to the hosts and remembers it', () => {
    const settled = settleContract(other, file, { dropState: ['one'] });
    expect(settled.pipeline.dropped).toEqual([expect.stringMatching(/^one@[0-9a-f]{8}\.0\.$/)]);
    expect(settleContract(other, settled.file, none).pipeline.dropped).toEqual(settled.pipeline.dropped);
    expect(settleContract(other, settled.file, { dropState: ['one'] }).differences).toEqual([]);
  });

  test('remembers every loss there was', () => {
    expect(behind([one], [other, 'one'], [one, 'one']).dropped).toHaveLength(2);
  });

  test('remembers in a stack that was emptied what it has lost, for its exchange has blocks from before', () => {
    const before = behind([one], [other, 'one']);
    const saved = JSON.stringify(before.contract);
    const recorded = recordedBySavepoint(saved, before);
    expect(settleContract(other, recorded, none).pipeline.dropped).toEqual(before.dropped);
    expect(before.dropped).toHaveLength(1);
    expect(recordedBySavepoint(saved, undefined)).toEqual({ ...before, dropped: [] });
  });

  test('refuses a name of which nothing is lost, since somebody expects that it is', () => {
    expect(() => settleContract(other, file, { dropState: ['on'] })).toThrow(
      /^INPUT_INVALID: --drop-state on: .*That of one would/,
    );
  });

  test('takes other slots only where the state is moved', () => {
    const wider = pipelineOf([step('one')], { slots: 2 });
    expect(() => settleContract(wider, file, none)).toThrow(/^SLOTS_MISMATCH/);
    expect(settleContract(wider, file, { ...none, migrate: true }).file.contract.slots).toBe(2);
  });
});

test('no pipeline of the registry loses state against the contract that is recorded for it', () => {
  const contracts = new URL('../../../pipelines/contracts/', import.meta.url).pathname;
  for (const name of readdirSync(contracts)) {
    const pipeline = pipelines.find(({ id }) => `${id}.json` === name);
    if (pipeline === undefined) throw new Error(`${name} is the contract of no pipeline`);
    const recorded = readContractFile(join(contracts, name));
    expect(() => settleContract(pipeline, recorded, none), name).not.toThrow();
  }
});
