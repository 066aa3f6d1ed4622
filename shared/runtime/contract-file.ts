import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { contractOf, type StateContract } from '#shared/pipeline/contract.ts';
import { type Difference, diffContracts, lossesOf, refuseLosses } from '#shared/pipeline/contract-diff.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import { MillraceError } from '#shared/schemas/error.ts';

/**
 * What a pipeline was last synthesized or started with, in a file, like a lock file of packages: the contract, and every loss that was ever
 * allowed. Losses stay, since blocks and snapshots from before them may be met for as long as streams and stores keep them.
 */
export interface ContractFile {
  readonly dropped: readonly string[];
  readonly contract: StateContract;
}

/** What the user allows, by the names of steps. */
export interface Allowed {
  readonly dropState: readonly string[];
  /** State is moved by a savepoint: slots and key groups may change. */
  readonly migrate?: boolean;
}

/** The file, or undefined when there is none. `INPUT_UNREADABLE` for one that is not a contract. */
export function readContractFile(path: string): ContractFile | undefined {
  if (!existsSync(path)) return undefined;
  let file: Partial<ContractFile> | undefined;
  try {
    file = JSON.parse(readFileSync(path, 'utf8')) as Partial<ContractFile>;
  } catch {
    file = undefined;
  }
  if (file?.contract?.version === 1 && Array.isArray(file.dropped)) return file as ContractFile;
  throw new MillraceError(
    'INPUT_UNREADABLE',
    `${path} holds no state contract. Restore it from the repository, or from a copy of the folder that it is in.`,
  );
}

/**
 * What a pipeline is held against where a savepoint is put into a stack: the contract of the savepoint, and the losses that were allowed
 * in the stack before. The exchange is kept when its state goes, with blocks from before them.
 */
export function recordedBySavepoint(contract: string, before: ContractFile | undefined): ContractFile {
  return { dropped: before?.dropped ?? [], contract: JSON.parse(contract) as StateContract };
}

/**
 * Holds the pipeline against the contract that is recorded, if one is. Gives the pipeline with the losses that are allowed, what differs,
 * and the file to be written. Throws `STATE_WOULD_BE_LOST` or `SLOTS_MISMATCH` for what was not allowed, and `INPUT_INVALID` for a step
 * that was named and loses nothing.
 */
export function settleContract(
  pipeline: Pipeline,
  recorded: ContractFile | undefined,
  { dropState, migrate = false }: Allowed,
): { readonly pipeline: Pipeline; readonly differences: readonly Difference[]; readonly file: ContractFile } {
  const contract = contractOf(pipeline.plan);
  const differences = recorded === undefined ? [] : diffContracts(recorded.contract, contract);
  const losing = differences.filter(({ step, loss }) => loss !== undefined && dropState.includes(step ?? ''));
  for (const name of dropState) {
    if (losing.some(({ step }) => step === name)) continue;
    if (recorded?.dropped.some((loss) => loss.startsWith(`${name}@`))) continue;
    const steps = [...new Set(differences.flatMap(({ step, loss }) => (loss === undefined ? [] : (step ?? []))))];
    throw new MillraceError(
      'INPUT_INVALID',
      `--drop-state ${name}: no state of such a step would be lost. ${steps.length === 0 ? 'None would be.' : `That of ${steps.join(', ')} would.`}`,
    );
  }
  const dropped = [...new Set([...(recorded?.dropped ?? []), ...lossesOf(losing)])].sort();
  const refused = migrate ? differences.filter(({ kind }) => kind !== 'migratable') : differences;
  refuseLosses(refused, dropped, `state of pipeline ${pipeline.id}`);
  return { pipeline: { ...pipeline, dropped }, differences, file: { dropped, contract } };
}

/** Writes the file, unless it is as it should be. */
export function writeContractFile(path: string, file: ContractFile): void {
  const text = `${JSON.stringify(file, null, 2)}\n`;
  if (existsSync(path) && readFileSync(path, 'utf8') === text) return;
  mkdirSync(dirname(path), { recursive: true });
  // In one step: a kill in the middle would leave what is no contract, and nothing starts beside that.
  writeFileSync(`${path}.tmp`, text);
  renameSync(`${path}.tmp`, path);
}
