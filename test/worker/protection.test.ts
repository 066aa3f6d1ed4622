import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { createMemoryTelemetry } from '#shared/adapters/telemetry/memory.ts';
import { protectTask } from '#worker/protection.ts';

const protection = { protection: { ProtectionEnabled: true } };

/** Runs `use` with a task whose ECS agent answers so. */
async function withAgent(
  answer: { readonly status: number; readonly body: unknown },
  use: (world: {
    readonly protect: (wanted: boolean) => Promise<void>;
    readonly asked: readonly unknown[];
    readonly warnings: () => number;
    readonly clock: { nowMs: number };
  }) => Promise<void>,
): Promise<void> {
  const asked: unknown[] = [];
  const server = createServer(async (request, response) => {
    asked.push([request.method, request.url, await json(request)]);
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(JSON.stringify(answer.body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const clock = { nowMs: 0 };
  const telemetry = createMemoryTelemetry();
  const protect = protectTask({
    agentUri: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/task`,
    clock: { now: () => clock.nowMs, sleep: async () => undefined },
    telemetry,
  });
  try {
    await use({ protect, asked, clock, warnings: () => telemetry.lines.length });
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const put = (body: unknown) => ['PUT', '/api/task/task-protection/v1/state', body];

test('ECS is told when it changes, and again before it expires', () =>
  withAgent({ status: 200, body: protection }, async ({ protect, asked, clock }) => {
    await protect(false);
    expect(asked).toEqual([]);
    await protect(true);
    await protect(true);
    expect(asked).toEqual([put({ ProtectionEnabled: true, ExpiresInMinutes: 5 })]);
    clock.nowMs = 150_000;
    await protect(true);
    expect(asked).toHaveLength(2);
    await protect(false);
    expect(asked.at(-1)).toEqual(put({ ProtectionEnabled: false }));
    clock.nowMs = 10 * 60_000;
    await protect(false);
    expect(asked).toHaveLength(3);
  }));

test.each([
  { status: 400, body: { error: { Code: 'AccessDeniedException' } } },
  { status: 200, body: { failure: { Reason: 'TASK_NOT_VALID' } } },
])('that ECS answers %o is one warning, and is tried again', (answer) =>
  withAgent(answer, async ({ protect, asked, warnings }) => {
    await protect(true);
    await protect(true);
    expect(asked).toHaveLength(2);
    expect(warnings()).toBe(1);
  }),
);

test('where there is no ECS nobody is asked', async () => {
  const telemetry = createMemoryTelemetry();
  const clock = { now: () => 0, sleep: async () => undefined };
  await protectTask({ agentUri: undefined, clock, telemetry })(true);
  await protectTask({ agentUri: 'http://127.0.0.1:1/nobody', clock, telemetry })(true);
  expect(telemetry.lines).toHaveLength(1);
});
