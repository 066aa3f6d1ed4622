import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OutputLine } from '#local/lambda/environment.ts';
import type { FunctionOptions, LambdaFunction } from '#local/lambda/function.ts';
import { createLambdaFunction } from '#local/lambda/function.ts';
import { createVirtualClock } from '#test/local/event-source-mapping/world.ts';

/** Runs `use` with a function whose bundle is the text of an ES module, and takes everything away afterwards. */
export async function withFunction(
  options: { readonly code: string } & Partial<FunctionOptions>,
  use: (world: {
    readonly lambda: LambdaFunction;
    readonly clock: ReturnType<typeof createVirtualClock>;
    readonly lines: readonly OutputLine[];
    readonly codePath: string;
  }) => Promise<void>,
): Promise<void> {
  const codePath = mkdtempSync(join(tmpdir(), 'millrace-bundle-'));
  const { code, ...others } = options;
  writeFileSync(join(codePath, 'index.mjs'), code);
  const clock = createVirtualClock();
  const lines: OutputLine[] = [];
  const lambda = createLambdaFunction({
    clock,
    functionName: 'aggregate',
    functionArn: 'arn:aws:lambda:eu-west-1:000000000000:function:aggregate',
    region: 'eu-west-1',
    codePath,
    handler: 'index.handler',
    concurrency: 2,
    onLine: (line) => lines.push(line),
    ...others,
  });
  try {
    await use({ lambda, clock, lines, codePath });
  } finally {
    await lambda.stop();
    rmSync(codePath, { recursive: true });
  }
}
