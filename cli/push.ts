import { KinesisClient } from '@aws-sdk/client-kinesis';
import { defineCommand } from 'citty';
import { localClient } from '#local/client.ts';
import { wallClock } from '#shared/adapters/clock.ts';
import { createKinesisProducer, type Producer } from '#shared/adapters/kinesis/producer.ts';
import { createRequestHandler } from '#shared/adapters/request-handler.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { listOf, rateOf } from './arguments.ts';
import { parseInputs } from './input.ts';
import { createProgress } from './progress.ts';
import { createPace, putFile } from './put-file.ts';
import { readRawRecords } from './raw-records.ts';
import { inRegion } from './region.ts';
import { loadPipeline } from './registry.ts';
import { interruptedCode, listenToSignals } from './signals.ts';
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
    const pace = createPace(rateOf(args.rate));
    const requestHandler = createRequestHandler();
    let pushed = 0;
    let underWay: UnderWay | undefined;
    const leave = (): void => {
      const text = underWay?.last === undefined ? `pushed=${pushed}` : stoppedText(pushed, underWay);
      process.stderr.write(`${text}\n`);
      process.exit(interruptedCode);
    };
    // When all that was taken is accepted, what was pushed is known for sure; it is soon, and with a silent pipe it is already.
    const stop = (): void => {
      if (underWay === undefined || underWay.producer.unanswered().length === 0) leave();
      else setTimeout(stop, stoppingPauseMs);
    };
    const interruption = listenToSignals({ stop, leave });
    for (const { source, path } of parseInputs(pipeline, listOf(rawArgs, 'input'))) {
      const { client, streamName } =
        args.stream === undefined
          ? localStream(pipeline.id, source)
          : { client: await inRegion('--stream', new KinesisClient({ requestHandler })), streamName: args.stream };
      const producer = createKinesisProducer({ client, streamName, clock: wallClock });
      const progress = createProgress(path);
      const records = readRawRecords(pipeline, { source, path }, progress.add);
      try {
        underWay = { path, producer, last: undefined };
        for await (const number of putFile(producer, { path, records, pace })) {
          underWay.last = number;
          if (!interruption.isStopping()) continue;
          await producer.flush();
          leave();
        }
        underWay = undefined;
      } catch (error) {
        if (pushed + producer.acceptedCount() > 0)
          process.stderr.write(`${stoppedText(pushed, { path, producer, last: undefined })}\n`);
        throw error;
      }
      pushed += producer.acceptedCount();
      progress.end();
    }
    process.stderr.write(`pushed=${pushed}\n`);
  },
});

const stoppingPauseMs = 20;

/** The file that is pushed, and which of its records was the last that the producer took. */
interface UnderWay {
  readonly path: string;
  readonly producer: Producer;
  last: number | undefined;
}

/** How far a push came that did not get to its end: to push all of it again would count twice. */
function stoppedText(pushedBefore: number, { path, producer, last }: UnderWay): string {
  const [first, ...others] = producer.unanswered();
  const text = `pushed=${pushedBefore + producer.acceptedCount()}, which count twice when they are pushed again`;
  if (first !== undefined)
    return `${text}: all before record ${first}, and perhaps that and some of the ${others.length} behind it`;
  return last === undefined
    ? `${text}: all of ${path} before what is wrong`
    : `${text}: all of ${path} up to record ${last}`;
}

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
