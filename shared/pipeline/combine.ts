import { given, invalid } from './refuse.ts';
import { type Stream, type StreamNode, streamOf } from './stream.ts';

/**
 * Several streams as one: `union(clicks, taps)`. Each record is there once for each stream that has it, with its own event time; the
 * streams may be sources, parts of one source, or the rows of steps. What stands behind waits for the slowest of them.
 */
export function union<const S extends readonly [AnyStream, AnyStream, ...AnyStream[]]>(
  ...streams: S
): Stream<RecordOf<S[number]>> {
  if (streams.length === 0) throw invalid('union', 'is of no streams; give it two or more.');
  const nodeOf = (stream: AnyStream): StreamNode =>
    given('union', 'streams', stream?.node, 'streams alone: keys and tables come behind it');
  return streamOf<RecordOf<S[number]>>({ op: 'union', inputs: streams.map(nodeOf) });
}

// biome-ignore lint/suspicious/noExplicitAny: what a stream takes back from its callbacks is of no matter here.
type AnyStream = Stream<any>;
type RecordOf<S> = S extends Stream<infer T> ? T : never;
