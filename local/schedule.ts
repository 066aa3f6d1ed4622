import { MillraceError } from '#shared/schemas/error.ts';
import type { LambdaFunction } from './lambda/function.ts';

const unitMs: Readonly<Record<string, number>> = {
  minute: 60_000,
  minutes: 60_000,
  hour: 3_600_000,
  hours: 3_600_000,
  day: 86_400_000,
  days: 86_400_000,
};

/** An EventBridge rule with a rate: calls its functions at the rate, the first time after one period. */
export function startSchedule(
  rule: Readonly<Record<string, unknown>>,
  functionOf: (arn: string) => LambdaFunction,
): { readonly stop: () => void } {
  const expression = String(rule['ScheduleExpression']);
  const match = /^rate\((\d+) (\w+)\)$/.exec(expression);
  const periodMs = Number(match?.[1]) * (unitMs[match?.[2] ?? ''] ?? Number.NaN);
  if (!Number.isFinite(periodMs)) {
    throw new MillraceError(
      'TEMPLATE_UNSUPPORTED',
      `the embedded AWS knows schedules of the form rate(5 minutes), not ${expression}.`,
    );
  }
  const targets = rule['Targets'] as readonly { readonly Arn: string }[];
  const timer = setInterval(() => {
    for (const { Arn } of targets)
      functionOf(Arn)
        .invoke({ source: 'aws.events' })
        .catch(() => {});
  }, periodMs);
  return { stop: () => clearInterval(timer) };
}
