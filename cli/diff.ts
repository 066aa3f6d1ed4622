import { join } from 'node:path';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { defineCommand } from 'citty';
import { localClient } from '#local/client.ts';
import { wallClock } from '#shared/adapters/clock.ts';
import { createDynamoDbStateStore } from '#shared/adapters/dynamodb/state-store.ts';
import { contractOf, type StateContract } from '#shared/pipeline/contract.ts';
import { type Difference, diffContracts } from '#shared/pipeline/contract-diff.ts';
import { readContractFile } from '#shared/runtime/contract-file.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { printLines } from './output.ts';
import { inRegion } from './region.ts';
import { loadPipeline } from './registry.ts';
import { readStackFile } from './stack-file.ts';

export const diffCommand = defineCommand({
  meta: {
    name: 'diff',
    description:
      'Show what a changed pipeline does to the state that is there: it goes on, has to be moved, or would be lost. Exits with 1 when some would be lost.',
  },
  args: {
    pipeline: {
      type: 'positional',
      required: false,
      default: 'traffic',
      description: 'A pipeline of pipelines/index.ts, or the path of a module that exports one',
    },
    against: {
      type: 'string',
      valueHint: 'FILE',
      description:
        'The contract to compare with; by default pipelines/contracts/PIPELINE.json, which "cdk synth" writes',
    },
    deployed: {
      type: 'boolean',
      description: 'Compare with the contract that the running "millrace dev" keeps its state under',
    },
    'state-table': {
      type: 'string',
      valueHint: 'TABLE',
      description: "Compare with the contract in this table, by the AWS SDK's own settings",
    },
    json: { type: 'boolean', description: 'The differences as JSON' },
  },
  run: async ({ args }) => {
    const pipeline = await loadPipeline(args.pipeline);
    const given = [args.against, args.deployed === true ? 'deployed' : undefined, args['state-table']];
    if (given.filter((one) => one !== undefined).length > 1)
      throw new MillraceError('INPUT_INVALID', 'give one of --against, --deployed and --state-table.');
    const before =
      args.deployed === true || args['state-table'] !== undefined
        ? await deployedContract(pipeline.id, args['state-table'])
        : recordedContract(args.against ?? join('pipelines', 'contracts', `${pipeline.id}.json`));
    if (before.pipeline !== pipeline.id)
      throw new MillraceError(
        'INPUT_INVALID',
        `the contract is of pipeline ${before.pipeline}, and not of ${pipeline.id}.`,
      );
    const differences = diffContracts(before, contractOf(pipeline.plan));
    printLines(args.json === true ? [JSON.stringify(differences, null, 2)] : describe(differences));
    if (differences.some(({ kind }) => kind === 'breaking')) process.exitCode = 1;
  },
});

function recordedContract(path: string): StateContract {
  const file = readContractFile(path);
  if (file !== undefined) return file.contract;
  throw new MillraceError(
    'INPUT_UNREADABLE',
    `there is no contract in ${path}. "npm run synth" writes it; name another with --against FILE, or what runs with --deployed.`,
  );
}

async function deployedContract(pipeline: string, table: string | undefined): Promise<StateContract> {
  const stack = table === undefined ? readStackFile(pipeline) : undefined;
  const client =
    stack === undefined
      ? await inRegion('--state-table', new DynamoDBClient({}))
      : new DynamoDBClient(localClient(stack.endpoints.dynamodb));
  const state = createDynamoDbStateStore({
    client,
    table: table ?? stack?.stateTable ?? '',
    pipeline,
    clock: wallClock,
  });
  const recorded = await state.readContract();
  if (recorded !== undefined) return JSON.parse(recorded.body) as StateContract;
  throw new MillraceError('SOURCE_UNAVAILABLE', `pipeline ${pipeline} has no state there yet, so nothing can be lost.`);
}

function describe(differences: readonly Difference[]): readonly string[] {
  if (differences.length === 0) return ['no difference: the state goes on'];
  return differences.flatMap(({ kind, what, advice }) => [`${kind.padEnd(12)}${what}`, `${' '.repeat(12)}${advice}`]);
}
