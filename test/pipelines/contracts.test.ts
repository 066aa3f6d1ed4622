import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { readContractFile } from '#shared/runtime/contract-file.ts';
import { stateVersion } from '#shared/schemas/state.ts';

// What a pipeline is now may differ from what is deployed, which is what a contract says. The version of its state is not the pipeline's.
const folder = new URL('../../pipelines/contracts/', import.meta.url);

test.each(readdirSync(folder))('the contract %s is of the version of state that is written now', (name) => {
  const file = readContractFile(fileURLToPath(new URL(name, folder)));
  expect(file?.contract.stateVersion, 'run npm run synth, which brings contracts up to date').toBe(stateVersion);
});
