import { join } from 'node:path';
import { S3Client } from '@aws-sdk/client-s3';
import { defineCommand } from 'citty';
import { pipelines } from '#pipelines/index.ts';
import { createFileBlobStore } from '#shared/adapters/files/blob-store.ts';
import { createS3BlobStore } from '#shared/adapters/s3/blob-store.ts';
import type { StateContract } from '#shared/pipeline/contract.ts';
import type { BlobStore } from '#shared/ports/blob-store.ts';
import {
  readContractFile,
  recordedBySavepoint,
  settleContract,
  writeContractFile,
} from '#shared/runtime/contract-file.ts';
import { listSavepoints, readManifest } from '#shared/runtime/savepoint.ts';
import { createSavepoint } from '#shared/runtime/savepoint-create.ts';
import { restoreSavepoint } from '#shared/runtime/savepoint-restore.ts';
import { findPipeline } from '#shared/runtime/settings.ts';
import { MillraceError, withoutCode } from '#shared/schemas/error.ts';
import type { SavepointManifest } from '#shared/schemas/savepoint.ts';
import { listOf, wholeNumber } from './arguments.ts';
import { type Deployment, deploymentOnAws, stoppedDeployment, withDeployment } from './deployment.ts';
import { printLines } from './output.ts';
import { inRegion } from './region.ts';

const actions = ['create', 'list', 'restore'] as const;

export const savepointCommand = defineCommand({
  meta: {
    name: 'savepoint',
    description:
      'Copy the state of a pipeline into a folder, list what there is, or put one into a deployment that has no state, of as many slots as its plan has.',
  },
  args: {
    action: { type: 'positional', required: true, description: 'create, list or restore' },
    pipeline: {
      type: 'positional',
      required: false,
      default: 'traffic',
      description: 'A pipeline of pipelines/index.ts',
    },
    in: {
      type: 'string',
      valueHint: 'FOLDER|s3://BUCKET/PREFIX',
      description: 'Where the savepoints are (default .millrace/savepoints/PIPELINE)',
    },
    id: {
      type: 'string',
      valueHint: 'ID',
      description: 'The name of a savepoint; by default that of the time, or the newest',
    },
    drained: {
      type: 'boolean',
      description:
        'create: wait until all raw records were read, which fewer slots and other raw streams need; pause the producers',
    },
    wait: {
      type: 'string',
      valueHint: 'SECONDS',
      default: '600',
      description: 'create --drained: how long to wait at most; rows wait for their files up to 5 minutes by default',
    },
    'drop-state': {
      type: 'string',
      valueHint: 'STEP',
      description: 'restore: lose the state of a step that was changed or removed, which is refused otherwise',
    },
    'state-table': {
      type: 'string',
      valueHint: 'TABLE',
      description: "Not on this machine: the state table, by the AWS SDK's own settings",
    },
    'results-table': { type: 'string', valueHint: 'TABLE', description: 'With --state-table' },
    'snapshot-bucket': {
      type: 'string',
      valueHint: 'BUCKET',
      description: 'With --state-table, where the pipeline has a worker',
    },
    'raw-stream': {
      type: 'string',
      valueHint: 'SOURCE=STREAM',
      description: 'With --state-table, once for each source',
    },
  },
  run: async ({ args, rawArgs }) => {
    const pipeline = findPipeline(pipelines, args.pipeline);
    const place = args.in ?? join('.millrace', 'savepoints', pipeline.id);
    const store = await storeOf(place);
    const onAws = await deploymentOnAws(pipeline, {
      stateTable: args['state-table'],
      resultsTable: args['results-table'],
      snapshotBucket: args['snapshot-bucket'],
      rawStreams: listOf(rawArgs, 'raw-stream'),
    });
    switch (args.action as (typeof actions)[number]) {
      case 'list': {
        const { manifests, unreadable } = await listSavepoints(store);
        printLines(manifests.map(describe));
        if (unreadable.length > 0) process.exitCode = 1;
        else if (manifests.length === 0) process.stderr.write(`millrace: there is no savepoint in ${place}.\n`);
        for (const { message } of unreadable) process.stderr.write(`millrace: ${message}\n`);
        return;
      }
      case 'create': {
        const id = args.id ?? new Date().toISOString().replaceAll(/[:.]/g, '-');
        const drainMsMax = args.drained === true ? wholeNumber('wait', args.wait, 1) * 1_000 : undefined;
        // Of a stack that does not run there is nothing to wait for.
        const create = (from: Deployment) => take(from, store, id, drainMsMax && (from.isStopped ? 0 : drainMsMax));
        return printLines([describe(await (onAws === undefined ? withDeployment(pipeline, create) : create(onAws)))]);
      }
      case 'restore': {
        const manifest = await find(store, place, args.id);
        const contractPath = join('.millrace', pipeline.id, 'contract.json');
        const before = onAws === undefined ? readContractFile(contractPath) : undefined;
        const recorded = recordedBySavepoint(manifest.contract, before);
        const settled = settleContract(pipeline, recorded, { dropState: listOf(rawArgs, 'drop-state'), migrate: true });
        const restore = (to: Deployment) => restoreSavepoint({ ...to, pipeline: settled.pipeline }, store, manifest);
        if (onAws !== undefined) await restore(onAws);
        else
          await stoppedDeployment(settled.pipeline, async (to) => {
            await restore(to);
            writeContractFile(contractPath, settled.file);
          });
        return printLines([`restored ${describe(manifest)}`]);
      }
      default:
        throw new MillraceError(
          'INPUT_INVALID',
          `there is no "savepoint ${args.action}"; there are ${actions.join(', ')}.`,
        );
    }
  },
});

async function take(
  from: Deployment,
  store: BlobStore,
  id: string,
  drainMsMax: number | undefined,
): Promise<SavepointManifest> {
  if (await store.get(`${id}/manifest.json`))
    throw new MillraceError('INPUT_INVALID', `there is a savepoint ${id} already. Name another one with --id.`);
  return createSavepoint(from, store, { id, drainMsMax });
}

async function find(store: BlobStore, place: string, id: string | undefined): Promise<SavepointManifest> {
  if (id !== undefined) return readManifest(store, id);
  const { manifests, unreadable } = await listSavepoints(store);
  // It may be the newest, and what is older is another state.
  const [damaged] = unreadable;
  if (damaged !== undefined)
    throw new MillraceError(
      'SAVEPOINT_UNREADABLE',
      `${withoutCode(damaged.message)} Name another one with --id, or delete that.`,
    );
  const newest = manifests.at(-1);
  if (newest !== undefined) return newest;
  throw new MillraceError('SAVEPOINT_UNREADABLE', `there is no savepoint in ${place}. Name another place with --in.`);
}

function describe({ id, pipeline, created, plan, contract, slots, isAligned, isDrained }: SavepointManifest): string {
  const bytes = slots.reduce((sum, { piece }) => sum + piece.bytes, 0);
  const state = isDrained ? 'drained' : isAligned ? 'aligned' : 'as it was';
  const { slots: slotCount } = JSON.parse(contract) as StateContract;
  return `${id}   pipeline ${pipeline}   plan ${plan.slice(0, 8)}   ${slotCount} slots   ${bytes} bytes   ${state}   ${created}`;
}

async function storeOf(place: string): Promise<BlobStore> {
  const [, bucket, prefix = ''] = /^s3:\/\/([^/]+)\/?(.*)$/.exec(place) ?? [];
  if (bucket === undefined) return createFileBlobStore(place);
  const forcePathStyle = process.env['AWS_ENDPOINT_URL_S3'] !== undefined;
  const client = await inRegion('--in s3://…', new S3Client({ forcePathStyle }));
  const store = createS3BlobStore({ client, bucket });
  const under = prefix === '' ? '' : `${prefix.replace(/\/$/, '')}/`;
  return {
    put: (key, bytes) => store.put(`${under}${key}`, bytes),
    get: (key) => store.get(`${under}${key}`),
    remove: (key) => store.remove(`${under}${key}`),
    list: async (keys) => (await store.list(`${under}${keys}`)).map((key) => key.slice(under.length)),
  };
}
