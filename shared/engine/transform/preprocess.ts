import type { CompiledOrigin, CompiledPipeline, CompiledSource } from '#shared/engine/compile/compile.ts';
import { type DecodedRecord, messageOf, type Rejection } from '#shared/engine/decode/decode.ts';
import { RecordReader, type VisitRecord } from '#shared/engine/decode/record-reader.ts';
import type { TextCache } from '#shared/engine/decode/text-cache.ts';
import { KeyDictionary } from '#shared/engine/keys/key-dictionary.ts';
import type { DecodeTools } from '#shared/pipeline/decoder.ts';
import type { Lookups } from './lookups.ts';
import { Refusal } from './refusal.ts';
import { type StagedOutput, Staging, type Transform, transformOf } from './transform.ts';

/**
 * Takes records through filter, map, flatMap, key and select. A record is taken whole or not at all: when a callback throws for one
 * branch, no branch has seen it. Pure: the same record, with the same lookups, gives the same outputs in every attempt.
 */
export class Transformer {
  readonly #transform: Transform;
  /** By the route's index. */
  readonly #keys: KeyDictionary[] = [];
  readonly #staging: Staging;

  constructor(pipeline: CompiledPipeline, { root, routes }: CompiledOrigin) {
    for (const route of routes) this.#keys[route.index] = new KeyDictionary(pipeline.slots, route.taken);
    this.#staging = new Staging(this.#keys);
    this.#transform = transformOf(root);
  }

  /** Keys that are texts of the records are then found by their numbers there. */
  protected lookUpKeysIn(texts: readonly TextCache[]): void {
    for (const keys of this.#keys) keys?.lookUpIn(texts);
  }

  /** Outputs of the record that was taken last; only the first `outputCount` are valid. */
  get outputs(): readonly StagedOutput[] {
    return this.#staging.outputs;
  }

  get outputCount(): number {
    return this.#staging.count;
  }

  /** How many (output, stage) pairs the record became. */
  get shares(): number {
    return this.#staging.shares;
  }

  /** What enrichments ask for their items. */
  set lookups(lookups: Lookups) {
    this.#staging.lookups = lookups;
  }

  /** Some item was not looked up yet, so what became of the record is not known. */
  get isWaiting(): boolean {
    return this.#staging.isWaiting;
  }

  /** Takes a record with its event time; a rejection as it is. */
  take<Taken extends DecodedRecord | Rejection | undefined>(decoded: Taken): Taken | Rejection {
    const staging = this.#staging;
    staging.count = 0;
    staging.shares = 0;
    staging.isWaiting = false;
    if (decoded?.kind !== 'decoded') return decoded;
    staging.timeMs = decoded.timeMs;
    try {
      this.#transform(decoded.value, staging);
    } catch (error) {
      staging.count = 0;
      return rejectionOf(error, staging.where, decoded.timeMs);
    }
    return decoded;
  }
}

function rejectionOf(error: unknown, step: string, eventTimeMs: number): Rejection {
  const refused = error instanceof Refusal;
  return {
    kind: 'rejected',
    reason: refused ? error.reason : 'threw',
    message: refused ? error.message : `${step} threw: ${messageOf(error)}`,
    step,
    eventTimeMs,
  };
}

type VisitTaken = (taken: DecodedRecord | Rejection) => void;

/** A `Transformer` behind a stream, whose raw records it reads. */
export class Preprocessor extends Transformer {
  readonly source: CompiledSource;
  /** Where the record at hand stands. */
  readonly reader: RecordReader;
  /** Is told of the records that are read. */
  #visit: VisitTaken = () => undefined;
  /** One for all, so that it is compiled into what calls it. */
  readonly #takeRead: VisitRecord = (decoded) => {
    const taken = this.take(decoded);
    if (taken !== undefined) this.#visit(taken);
  };

  /** `tools` are needed for bytes, not for lines and values. Without `scans` JSON is parsed. */
  constructor(
    pipeline: CompiledPipeline,
    source: CompiledSource,
    tools?: DecodeTools,
    options?: { readonly scans?: boolean },
  ) {
    super(pipeline, source);
    this.source = source;
    this.reader = new RecordReader(source, tools, options);
    this.lookUpKeysIn(this.reader.texts);
  }

  /** Takes the records in the bytes of what the reader has begun, one after the other; `visit` finds the outputs of one. */
  takeBytes(bytes: Uint8Array, visit: VisitTaken): void {
    this.#visit = visit;
    this.reader.readBytes(bytes, this.#takeRead);
  }

  /** Takes what goes on where a file ends. */
  endFile(visit: VisitTaken): void {
    this.#visit = visit;
    this.reader.end(this.#takeRead);
  }

  /** Takes one line; undefined for a line that holds no record. */
  takeLine(line: string): DecodedRecord | Rejection | undefined {
    let taken: DecodedRecord | Rejection | undefined;
    this.reader.readLine(line, (decoded) => {
      taken = this.take(decoded);
    });
    return taken;
  }

  /** Takes a value that is decoded already, such as a test's. */
  takeValue(raw: unknown): DecodedRecord | Rejection {
    return this.take(this.reader.readValue(raw));
  }
}
