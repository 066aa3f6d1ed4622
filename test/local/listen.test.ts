import { createServer } from 'node:http';
import { expect, test } from 'vitest';
import { listen } from '#local/listen.ts';

test('a server without a port gets a free one, on the loopback interface', async () => {
  const server = createServer((_, response) => response.end('here'));
  const local = await listen(server, { name: 'Test' });
  expect(server.address()).toEqual({ address: '127.0.0.1', family: 'IPv4', port: local.port });
  expect(await (await fetch(local.endpoint)).text()).toBe('here');
  await local.close();
});

test('a port that is taken is an error that names it and says what to do', async () => {
  const first = await listen(createServer(), { name: 'Test' });
  const second = listen(createServer(), { name: 'Test', port: first.port });
  await expect(second).rejects.toMatchObject({
    code: 'PORT_IN_USE',
    message: expect.stringMatching(`127.0.0.1:${first.port}.*choose another port: .*--port N.* and 0 takes free ones`),
  });
  await first.close();
});

test('closing waits for the answer that is under way', async () => {
  let answer = (): void => {};
  const asked = Promise.withResolvers<void>();
  const local = await listen(
    createServer((_, response) => {
      answer = () => response.end('late');
      asked.resolve();
    }),
    { name: 'Test' },
  );
  const response = fetch(local.endpoint, { headers: { connection: 'close' } });
  await asked.promise;
  const closed = local.close();
  answer();
  expect(await (await response).text()).toBe('late');
  await closed;
});

test('closing cuts off a request that never ends', async () => {
  const asked = Promise.withResolvers<void>();
  const local = await listen(
    createServer(() => asked.resolve()),
    { name: 'Test' },
  );
  const response = fetch(local.endpoint).catch(() => 'cut off');
  await asked.promise;
  await local.close();
  expect(await response).toBe('cut off');
});

test('closing twice closes once', async () => {
  let closed = 0;
  const local = await listen(createServer(), {
    name: 'Test',
    onClose: () => {
      closed += 1;
    },
  });
  await Promise.all([local.close(), local.close()]);
  expect(closed).toBe(1);
});

test('a port is free again once its server is closed', async () => {
  const first = await listen(createServer(), { name: 'Test' });
  await first.close();
  const second = await listen(createServer(), { name: 'Test', port: first.port });
  expect(second.port).toBe(first.port);
  await second.close();
});
