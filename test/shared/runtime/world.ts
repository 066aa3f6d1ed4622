import { Buffer } from 'node:buffer';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import type { Preprocess, RawRecord } from '#shared/runtime/preprocess.ts';
import { watermarkPartitionKey } from '#shared/schemas/punctuation.ts';
import type { PrintedRow } from '#shared/schemas/row.ts';
import { Hosts } from '#shared/testing/hosts.ts';

/** The hosts of one pipeline, given raw records by hand. */
export class World extends Hosts {
  readonly #rawShards: readonly string[];

  constructor(pipeline: Pipeline, rawShards: readonly string[]) {
    // Small chunks, so that a batch is several and a record is cut.
    super(pipeline, { chunkLimits: { outputsPerChunkMax: 5, blockBytesMax: 2_000 } });
    this.#rawShards = rawShards;
  }

  preprocess(source = 'readings'): Preprocess {
    return this.createPreprocess(source, {
      list: async () => this.#rawShards.map((shardId) => ({ shardId, parents: [] })),
    });
  }

  /** All rows of a view as JSON, a line each. */
  async lines(view: string): Promise<readonly string[]> {
    return linesOf(await this.reader().rows({ view, fromMs: Number.MIN_SAFE_INTEGER }));
  }

  counts() {
    return this.reader().counts();
  }
}

export function linesOf(rows: readonly PrintedRow[]): readonly string[] {
  return rows.map((row) => JSON.stringify(row));
}

export function rawRecord(sequence: number, text: string, partitionKey = 'p'): RawRecord {
  return { sequence: String(sequence), partitionKey, bytes: Buffer.from(text), arrivalMs: sequence };
}

/** A promise that nothing older follows. */
export function punctuation(sequence: number, watermarkMs: number): RawRecord {
  return rawRecord(sequence, JSON.stringify({ watermark: watermarkMs }), watermarkPartitionKey);
}
