import { KinesisClient } from '@aws-sdk/client-kinesis';
import { pipelines } from '#pipelines/index.ts';
import { wallClock } from '#shared/adapters/clock.ts';
import { createKinesisExchange } from '#shared/adapters/kinesis/exchange.ts';
import { createRequestHandler } from '#shared/adapters/request-handler.ts';
import { createPowertoolsTelemetry } from '#shared/adapters/telemetry/powertools.ts';
import { readSettings, selectPipeline } from '#shared/runtime/settings.ts';
import { createTick } from '#shared/runtime/tick.ts';

const settings = readSettings('tick', process.env);
const pipeline = selectPipeline(pipelines, settings);
const telemetry = createPowertoolsTelemetry({ pipeline: pipeline.id, stage: 'tick', placement: 'lambda' });
const exchange = createKinesisExchange({
  client: new KinesisClient({ requestHandler: createRequestHandler() }),
  streamName: settings.EXCHANGE_STREAM,
  telemetry,
});
const ticker = createTick({ pipeline, exchange, clock: wallClock, telemetry });

/** Lets the wall clock into every slot's log, once a minute: only so do silent shards become idle (rule 10). */
export async function handler(): Promise<void> {
  await ticker.tick();
  telemetry.flush();
}
