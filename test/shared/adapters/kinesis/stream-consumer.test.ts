import { KinesisClient } from '@aws-sdk/client-kinesis';
import { expect, test } from 'vitest';
import { registerStreamConsumer } from '#shared/adapters/kinesis/stream-consumer.ts';
import { fault, scriptRequests } from '../scripted-requests.ts';

const streamArn = 'arn:aws:kinesis:us-east-1:000000000000:stream/exchange';

/** Registers a consumer that is seen in one state after the other; undefined: it is not there. The last one stays. */
function register(states: readonly (string | undefined)[], faults: Readonly<Record<number, string>> = {}) {
  let seen = 0;
  const { settings, requests } = scriptRequests(({ operation, fields }, index) => {
    const refused = faults[index];
    if (refused !== undefined) throw fault(refused);
    if (operation === 'DescribeStreamSummary') return { StreamDescriptionSummary: { StreamARN: streamArn } };
    const consumer = { ConsumerName: fields['ConsumerName'], ConsumerARN: `${fields['StreamARN']}/consumer/worker:1` };
    if (operation === 'RegisterStreamConsumer') return { Consumer: { ...consumer, ConsumerStatus: 'CREATING' } };
    const ConsumerStatus = states[Math.min(seen, states.length - 1)];
    seen += 1;
    if (ConsumerStatus === undefined) throw fault('ResourceNotFoundException');
    return { ConsumerDescription: { ...consumer, ConsumerStatus } };
  });
  const sleepsMs: number[] = [];
  const sleep = async (ms: number) => void sleepsMs.push(ms);
  const registered = registerStreamConsumer({
    client: new KinesisClient(settings),
    streamName: 'exchange',
    consumerName: 'worker',
    clock: { now: () => 0, sleep },
    random: () => 1,
  });
  const calls = () => requests.map(({ operation }) => operation.replace('StreamConsumer', '')).slice(1);
  return { registered, calls, sleepsMs };
}

test('a consumer that is there is not registered again', async () => {
  const { registered, calls, sleepsMs } = register(['ACTIVE']);
  expect(await registered).toBe(`${streamArn}/consumer/worker:1`);
  expect([calls(), sleepsMs]).toEqual([['Describe'], []]);
});

test('a consumer that is not there is registered, and waited for until it is active', async () => {
  const { registered, calls, sleepsMs } = register([undefined, 'CREATING', 'ACTIVE']);
  await registered;
  expect(calls()).toEqual(['Describe', 'Register', 'Describe', 'Describe']);
  expect(sleepsMs).toEqual([400, 800]);
});

test('a consumer that is being deleted is registered when it is gone', async () => {
  const { registered, calls } = register(['DELETING', undefined, 'ACTIVE']);
  await registered;
  expect(calls()).toEqual(['Describe', 'Describe', 'Register', 'Describe']);
});

test.each(['ResourceInUseException', 'LimitExceededException'])(
  '%s while it is registered is waited out',
  async (name) => {
    const { registered, calls } = register([undefined, 'ACTIVE'], { 2: name });
    await registered;
    expect(calls()).toEqual(['Describe', 'Register', 'Describe']);
  },
);

test('a consumer that does not become active is given up', async () => {
  await expect(register(['CREATING']).registered).rejects.toThrow('consumer worker is still CREATING');
});

test('what does not heal is not tried again', async () => {
  const { registered, calls } = register(['ACTIVE'], { 1: 'AccessDeniedException' });
  await expect(registered).rejects.toMatchObject({ name: 'AccessDeniedException' });
  expect(calls()).toEqual(['Describe']);
});
