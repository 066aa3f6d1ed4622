import { expect, test } from 'vitest';
import { createStatus, type Status } from '#worker/status.ts';

async function ask(path: string, status: Partial<Status>): Promise<Response> {
  const fine: Status = { isAlive: () => true, isReady: () => true, metrics: async () => 'millrace_leases 3\n' };
  return createStatus({ ...fine, ...status }).request(path);
}

test.each([
  ['/health', { isAlive: () => true }, 200],
  ['/health', { isAlive: () => false }, 503],
  ['/ready', { isReady: () => true }, 200],
  ['/ready', { isReady: () => false }, 503],
  ['/nothing', {}, 404],
])('%s of %o is answered with %i', async (path, status, code) => {
  expect((await ask(path, status)).status).toBe(code);
});

test('a worker that is stuck may be ready, and one that is not ready alive', async () => {
  expect((await ask('/ready', { isAlive: () => false })).status).toBe(200);
  expect((await ask('/health', { isReady: () => false })).status).toBe(200);
});

test('metrics are given in the format of Prometheus', async () => {
  const response = await ask('/metrics', {});
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  expect(await response.text()).toBe('millrace_leases 3\n');
});
