import type { DecodeTools } from '#shared/pipeline/decoder.ts';
import { keyColumnsOf } from '#shared/pipeline/select.ts';
import { outputsPerRecordMax } from '#shared/schemas/position.ts';
import type { CompiledOrigin, CompiledPipeline, CompiledRoute, CompiledSource, TransformNode } from './compile.ts';
import { type DecodedRecord, messageOf, type Rejection, validate } from './decode.ts';
import { KeyDictionary, type KeyEntry } from './key.ts';
import { type Lookups, lookUp } from './lookups.ts';
import { RecordReader } from './record-reader.ts';
import { Refusal } from './refusal.ts';
import type { TextCache } from './text-cache.ts';

/** One output of a record: what a route's steps need of it. The object and its array are used again for the next record. */
export interface StagedOutput {
  route: CompiledRoute;
  key: KeyEntry;
  values: unknown[];
}

/**
 * Takes records through filter, map, flatMap, key and select. A record is taken whole or not at all: when a callback throws for one
 * branch, no branch has seen it. Pure: the same record, with the same lookups, gives the same outputs in every attempt.
 */
export class Transformer {
  readonly #root: TransformNode;
  /** By the route's index. */
  readonly #keys: KeyDictionary[] = [];
  readonly #staged: StagedOutput[] = [];
  #count = 0;
  #shares = 0;
  #where = '';
  /** The event time of the record at hand. */
  #timeMs = 0;
  #isWaiting = false;
  /** What enrichments ask for their items. */
  lookups: Lookups = noLookups;

  constructor(pipeline: CompiledPipeline, { root, routes }: CompiledOrigin) {
    this.#root = root;
    for (const route of routes) this.#keys[route.index] = new KeyDictionary(pipeline.slots, route.taken);
  }

  /** Keys that are texts of the records are then found by their numbers there. */
  protected lookUpKeysIn(texts: readonly TextCache[]): void {
    for (const keys of this.#keys) keys?.lookUpIn(texts);
  }

  /** Outputs of the record that was taken last; only the first `outputCount` are valid. */
  get outputs(): readonly StagedOutput[] {
    return this.#staged;
  }

  get outputCount(): number {
    return this.#count;
  }

  /** How many (output, stage) pairs the record became. */
  get shares(): number {
    return this.#shares;
  }

  /** Some item was not looked up yet, so what became of the record is not known. */
  get isWaiting(): boolean {
    return this.#isWaiting;
  }

  /** Takes a record with its event time; a rejection as it is. */
  take<Taken extends DecodedRecord | Rejection | undefined>(decoded: Taken): Taken | Rejection {
    this.#count = 0;
    this.#isWaiting = false;
    return decoded?.kind === 'decoded' ? (this.#transform(decoded) as Taken | Rejection) : decoded;
  }

  #transform(record: DecodedRecord): DecodedRecord | Rejection {
    this.#shares = 0;
    this.#timeMs = record.timeMs;
    try {
      this.#visitAll(this.#root.next, record.value);
    } catch (error) {
      this.#count = 0;
      const refused = error instanceof Refusal;
      return {
        kind: 'rejected',
        reason: refused ? error.reason : 'threw',
        message: refused ? error.message : `${this.#where} threw: ${messageOf(error)}`,
        step: this.#where,
        eventTimeMs: record.timeMs,
      };
    }
    return record;
  }

  #visitAll(nodes: readonly TransformNode[], value: unknown): void {
    for (let index = 0; index < nodes.length; index += 1) this.#visit(nodes[index] as TransformNode, value);
  }

  #visit(node: TransformNode, value: unknown): void {
    const { binding } = node;
    this.#where = node.id;
    switch (binding.op) {
      case 'filter':
        if (binding.call(value)) this.#visitAll(node.next, value);
        return;
      case 'map':
        this.#visitAll(node.next, binding.call(value));
        return;
      case 'flatMap':
        for (const part of binding.call(value)) this.#visitAll(node.next, part);
        return;
      case 'union':
        this.#visitAll(node.next, value);
        return;
      case 'enrich': {
        const found = lookUp(binding, this.lookups, value);
        // The other branches are asked what they look up all the same.
        if (found === undefined) this.#isWaiting = true;
        else this.#visitAll(node.next, binding.call(value, found.value));
        return;
      }
      case 'key':
        if (node.route !== undefined) this.#stage(node.route, value);
        return;
    }
  }

  #stage(route: CompiledRoute, value: unknown): void {
    if (this.#count >= outputsPerRecordMax) {
      throw new Refusal('too-large', `the record became more than ${outputsPerRecordMax} outputs`);
    }
    const columns = keyColumnsOf(route, value, this.#timeMs);
    let key: KeyEntry;
    try {
      key = (this.#keys[route.index] as KeyDictionary).find(columns);
    } catch (error) {
      throw new Refusal('invalid', messageOf(error));
    }
    let staged = this.#staged[this.#count];
    if (staged === undefined) {
      staged = { route, key, values: [] };
      this.#staged[this.#count] = staged;
    } else {
      staged.route = route;
      staged.key = key;
      // Setting the length of an array costs as much as all else that is done here, even where it stays the same.
      if (staged.values.length !== route.columns.length) staged.values.length = route.columns.length;
    }
    for (let index = 0; index < route.columns.length; index += 1) {
      const column = route.columns[index] as CompiledRoute['columns'][number];
      const selected = column.select(value, this.#timeMs);
      const refusal = column.refuse?.(selected);
      if (refusal !== undefined) throw new Refusal('invalid', `${column.label}: ${refusal}`);
      staged.values[index] = selected;
    }
    this.#count += 1;
    this.#shares += route.stages.length;
  }
}

const noLookups: Lookups = { find: () => undefined };

/** A `Transformer` behind a stream, whose raw records it reads. */
export class Preprocessor extends Transformer {
  readonly source: CompiledSource;
  /** Where the record at hand stands. */
  readonly reader: RecordReader;

  /** `tools` are needed for bytes, not for lines and values. */
  constructor(pipeline: CompiledPipeline, source: CompiledSource, tools?: DecodeTools) {
    super(pipeline, source);
    this.source = source;
    this.reader = new RecordReader(source, tools);
    this.lookUpKeysIn(this.reader.texts);
  }

  /** Takes the records in the bytes of what the reader has begun, one after the other; `visit` finds the outputs of one. */
  takeBytes(bytes: Uint8Array, visit: (taken: DecodedRecord | Rejection) => void): void {
    this.reader.readBytes(bytes, (decoded) => {
      const taken = this.take(decoded);
      if (taken !== undefined) visit(taken);
    });
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
    return this.take(validate(this.source, raw));
  }
}
