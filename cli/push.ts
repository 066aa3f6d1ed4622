import { basename } from 'node:path';
import { KinesisClient } from '@aws-sdk/client-kinesis';
import { defineCommand } from 'citty';
import { localClient } from '#local/client.ts';
import { wallClock } from '#shared/adapters/clock.ts';
import { createKinesisProducer } from '#shared/adapters/kinesis/producer.ts';
import { createRequestHandler } from '#shared/adapters/request-handler.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { listOf, wholeNumber } from './arguments.ts';
import { pace } from './feed.ts';
import { parseInputs } from './input.ts';
import { createProgress } from './progress.ts';
import { readRawRecords } from './raw-records.ts';
import { loadPipeline } from './registry.ts';
import { readStackFile } from './stack-file.ts';

export const pushCommand = defineCommand({
  meta: {
    name: 'push',
    description: 'Push records to a running "millrace dev", or to a stream in AWS or an emulator of it.',
  },
  args: {
    pipeline: {
      type: 'positional',
      required: false,
      default: 'traffic',
      description: 'The pipeline whose source gets the records',
    },
    input: {
      type: 'string',
      required: true,
      valueHint: 'FILE|-',
      description: 'Records, a line each; for one of several sources source=FILE',
    },
    rate: { type: 'string', default: 'max', valueHint: 'N|max', description: 'Records a second' },
    stream: {
      type: 'string',
      valueHint: 'NAME',
      description: 'A Kinesis stream, found by the AWS settings of the environment, instead of the local one',
    },
  },
  run: async ({ args, rawArgs }) => {
    const pipeline = await loadPipeline(args.pipeline);
    const rate = args.rate === 'max' ? undefined : wholeNumber('rate', args.rate, 1);
    let pushed = 0;
    for (const { source, path } of parseInputs(pipeline, listOf(rawArgs, 'input'))) {
      const { client, streamName } =
        args.stream === undefined
          ? localStream(pipeline.id, source)
          : { client: new KinesisClient({ requestHandler: createRequestHandler() }), streamName: args.stream };
      const producer = createKinesisProducer({ client, streamName, clock: wallClock });
      const progress = createProgress(path);
      const startMs = performance.now();
      for await (const { data, number } of readRawRecords(pipeline, { source, path }, progress.add)) {
        await producer.put({ data, partitionKey: `${basename(path)}:${number}` });
        pushed += 1;
        if (rate !== undefined) await pace(startMs, pushed, rate);
      }
      await producer.flush();
      progress.end();
    }
    process.stderr.write(`pushed=${pushed}\n`);
  },
});

function localStream(
  pipeline: string,
  source: string,
): { readonly client: KinesisClient; readonly streamName: string } {
  const { endpoints, rawStreams } = readStackFile(pipeline);
  const streamName = rawStreams[source];
  if (streamName === undefined)
    throw new MillraceError('INPUT_INVALID', `the running stack has no stream for source ${source}; start it again.`);
  return { client: new KinesisClient(localClient(endpoints.kinesis)), streamName };
}
