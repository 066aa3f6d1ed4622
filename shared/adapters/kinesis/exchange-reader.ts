import type { KinesisClient } from '@aws-sdk/client-kinesis';
import type { Clock } from '#shared/ports/clock.ts';
import type { ExchangeReader } from '#shared/ports/exchange-reader.ts';
import type { Telemetry } from '#shared/ports/telemetry.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { exchangeConsumer, readings, settingNames } from '#shared/schemas/settings.ts';
import { createFanOutReader } from './fan-out-reader.ts';
import { createPollingReader } from './polling-reader.ts';

/** The worker's reader of the exchange in Kinesis, by its setting. Throws `SETTING_INVALID` when `reading` is none. */
export function createKinesisExchangeReader({
  reading,
  ...options
}: {
  /** One of `readings`, as the environment has it. */
  readonly reading: string;
  readonly client: KinesisClient;
  readonly streamName: string;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}): Required<ExchangeReader> {
  switch (reading) {
    case 'polling':
      return createPollingReader(options);
    case 'fan-out':
      return createFanOutReader({ ...options, consumerName: exchangeConsumer });
    default:
      throw new MillraceError(
        'SETTING_INVALID',
        `${settingNames.exchangeReading} is ${reading}; it must be ${readings.join(' or ')}.`,
      );
  }
}
