import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { pipelines } from '#pipelines/index.ts';
import { readContractFile, settleContract } from '#shared/runtime/contract-file.ts';

test.each(pipelines.map((pipeline) => [pipeline.id, pipeline] as const))(
  'the contract of %s that lies beside it is the one that synth writes',
  (id, pipeline) => {
    const path = fileURLToPath(new URL(`../../pipelines/contracts/${id}.json`, import.meta.url));
    const { differences, file } = settleContract(pipeline, readContractFile(path), { dropState: [] });
    expect(differences).toEqual([]);
    expect(file).toEqual(readContractFile(path));
  },
);
