import { KinesisClient } from '@aws-sdk/client-kinesis';
import { expect, test } from 'vitest';
import { inRegion } from '#cli/region.ts';

test('a client that finds its region is given back', async () => {
  const client = new KinesisClient({ region: 'eu-central-1' });
  expect(await inRegion('--stream', client)).toBe(client);
});

test('one that finds none is refused before its first request, with what to set', async () => {
  const client = { config: { region: () => Promise.reject(new Error('Region is missing')) } };
  await expect(inRegion('--stream', client)).rejects.toThrow(
    'INPUT_INVALID: --stream is found by the AWS settings of the environment, and they name no region. Set AWS_REGION',
  );
});
