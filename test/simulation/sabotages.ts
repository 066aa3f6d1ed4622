import type { Mutation } from './load.ts';
import type { Bias } from './workload.ts';

/** A rule of exactness, broken. `failsOf500` is how many of 500 seeds failed without it when the protocol was found. */
export interface Sabotage {
  readonly rule: string;
  readonly failsOf500?: number;
  /** Lines of the product, broken as it is loaded. */
  readonly mutations?: readonly Mutation[];
  /** What the outside world does wrong; see `flawsOf`. */
  readonly flaw?: FlawName;
  /** Where the rule matters. */
  readonly bias?: Bias;
}

export type FlawName =
  | 'limited-retries'
  | 'starts-at-latest'
  | 'ignores-parents'
  | 'ignores-grandparents'
  | 'stale-checkpoints';
export type SabotageName = keyof typeof sabotages;

const preprocess = 'shared/runtime/preprocess.ts';
const aggregate = 'shared/runtime/aggregate.ts';
const putBlocks = 'shared/runtime/put-blocks.ts';
const worker = 'shared/runtime/worker.ts';
const leases = 'shared/engine/slots/leases.ts';
const shardReader = 'shared/runtime/shard-reader.ts';
const writeEmission = 'shared/runtime/write-emission.ts';
const snapshots = 'shared/runtime/snapshots.ts';
const snapshotCodec = 'shared/runtime/snapshot-codec.ts';
const exchange = 'shared/engine/transform/exchange.ts';
const slot = 'shared/engine/slots/slot.ts';
const reslot = 'shared/engine/slots/reslot.ts';
const savepointCreate = 'shared/runtime/savepoint-create.ts';
const savepointRestore = 'shared/runtime/savepoint-restore.ts';
const admit = 'shared/engine/slots/admit.ts';
const watermark = 'shared/engine/slots/watermark.ts';
const cells = 'shared/engine/slots/cells.ts';
const join = 'shared/engine/operators/join.ts';
const outlet = 'shared/engine/rows/outlet.ts';
const fileBuffer = 'shared/engine/rows/file-buffer.ts';
const keysInOrder = 'shared/engine/operators/keys-in-order.ts';
const process = 'shared/engine/operators/process.ts';
const waiting = 'shared/engine/operators/waiting.ts';
const session = 'shared/engine/operators/session.ts';
const ordered = 'shared/engine/operators/ordered.ts';
const processTurn = 'shared/engine/operators/process-turn.ts';
const rowBatchCodec = 'shared/runtime/row-batch-codec.ts';
const rows = 'shared/engine/rows/rows.ts';
const enrichment = 'shared/runtime/enrichment.ts';
const rowOrigin = 'shared/engine/slots/row-origin.ts';
const rowFeed = 'shared/runtime/row-feed.ts';
const memoryStage = 'shared/engine/slots/memory-stage.ts';
const memoryState = 'shared/adapters/memory/state-store.ts';
const memoryResults = 'shared/adapters/memory/result-store.ts';

const revisionIsRead = ': stored?.revision === condition.revision && isNotAbove;';

const harsh = { 'crash-after': 0.05, 'crash-before': 0.05, zombie: 0.05, 'lost-response': 0.05 };
/** Workers that take each other's slots. */
const rivals = {
  pipelines: ['worker'],
  exchangeReshards: 2,
  workers: 3,
  driftMax: 100,
  faults: { zombie: 0.05, 'worker-joins': 0.2 },
};
/** Deployments that go on from a savepoint. */
const moving = { moves: 1, late: false, idle: false };
const onLambda = { pipelines: ['lambda', 'both'] };
const enriching = { pipelines: ['enriched'] };
const processing = { pipelines: ['process', 'table'] };
/** Windows that each key has of its own, which are shown before they close. */
const provisional = { pipelines: ['early-by-key'] };
/** Steps whose rows are a stream again, in workers that die. */
const chained = {
  pipelines: ['chain', 'top', 'chained-join', 'chained-ties'],
  faults: { ...harsh, 'worker-joins': 0.1 },
};

/** Every rule that has a number, by a name of its own. The product has no switches: what is broken here is broken here alone. */
export const sabotages = {
  'one-hash-key': {
    rule: '1: every block of a slot uses the one hash key of the slot',
    failsOf500: 424,
    mutations: [
      {
        file: putBlocks,
        find: 'explicitHashKey: slotHashKey(block.slot, block.slots).toString(),',
        replace:
          'explicitHashKey: ((slotHashKey(block.slot, block.slots) + BigInt(block.origin?.to[0] ?? 0) * 2n ** 125n) % 2n ** 128n).toString(),',
      },
    ],
    bias: { exchangeReshards: 2 },
  },
  'sub-index': {
    rule: '2: a position is the sequence number and the sub index',
    failsOf500: 333,
    mutations: [{ file: exchange, find: 'this.#to = at;', replace: 'this.#to = [sequence, subMax];' }],
    bias: { pipelines: ['tags'], outputsPerChunkMax: 1 },
  },
  'watermark-up-to-its-end': {
    rule: "3: a block's watermark covers positions up to its end, not the batch's",
    failsOf500: 60,
    mutations: [
      {
        file: preprocess,
        find: 'for (const record of records) { this.#take(record, poison);',
        replace: `for (const record of records) {
          const times = /"at":(\\d+)/.exec(new TextDecoder().decode(record.bytes));
          if (times !== null) this.#packer.promise(Number(times[1]) - 3_000);
        }
        for (const record of records) { this.#take(record, poison);`,
      },
    ],
    bias: { outputsPerChunkMax: 1, late: false, idle: false },
  },
  roster: {
    rule: '3: a block lists all raw shards with their parents',
    failsOf500: 298,
    mutations: [
      {
        file: exchange,
        find: 'roster: this.#roster,',
        replace: 'roster: { [this.#shard]: this.#roster[this.#shard] ?? [] },',
      },
    ],
    bias: { rawReshards: 1 },
  },
  'one-chunk-in-flight': {
    rule: '4: one unacknowledged chunk per origin',
    failsOf500: 238,
    mutations: [
      {
        file: preprocess,
        find: 'await putBlocks(this.#options, chunk.blocks);',
        replace:
          'const flight = putBlocks(this.#options, chunk.blocks); flight.catch(() => undefined); ((this as any).flights ??= []).push(flight);',
      },
      { file: preprocess, find: 'if (chunk.completed !== undefined) this.#accepted = chunk.completed;', replace: '' },
      {
        file: preprocess,
        find: "// Rule 5: only now does everything up to the batch's end stand accepted.",
        replace: 'await Promise.all((this as any).flights ?? []);',
      },
    ],
    bias: { outputsPerChunkMax: 1, faults: { 'put-refused': 0.1, 'put-delayed': 0.1 } },
  },
  'refused-are-put-again': {
    rule: '4: refused or unanswered entries are put again until accepted',
    failsOf500: 384,
    mutations: [
      {
        file: putBlocks,
        find: 'entries = refused.map((index) => entries[index] as ExchangeEntry);',
        replace: 'void refused; entries = [];',
      },
    ],
    bias: { faults: { 'put-refused': 0.05 } },
  },
  'the-end-waits': {
    rule: "4: the next chunk and the batch's end wait for all blocks of a chunk",
    failsOf500: 447,
    mutations: [
      {
        file: preprocess,
        find: 'await putBlocks(this.#options, chunk.blocks);',
        replace: 'putBlocks(this.#options, chunk.blocks).catch(() => undefined);',
      },
    ],
    bias: { faults: { 'put-refused': 0.05 } },
  },
  heartbeat: {
    rule: '5: a heartbeat covers only what was accepted before it',
    failsOf500: 500,
    mutations: [
      {
        file: preprocess,
        find: 'for (const record of records) { this.#take(record, poison);',
        replace: `this.#packer.complete((records.at(-1) as RawRecord).sequence);
        await putBlocks(this.#options, this.#packer.heartbeats());
        for (const record of records) { this.#take(record, poison);`,
      },
    ],
  },
  retries: {
    rule: '6: the mappings retry without limit',
    failsOf500: 66,
    flaw: 'limited-retries',
    bias: { faults: harsh },
  },
  'trim-horizon': {
    rule: '6: the exchange is read from TRIM_HORIZON',
    failsOf500: 39,
    flaw: 'starts-at-latest',
    bias: { exchangeReshards: 1 },
  },
  purity: {
    rule: '6: callbacks are pure, and no deploy changes the code inside a batch',
    failsOf500: 148,
    mutations: [
      {
        file: 'shared/engine/transform/transform.ts',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: the file has such a template.
        find: 'return `const ${name}Parts = ${its}.call(${value});',
        replace:
          // biome-ignore lint/suspicious/noTemplateCurlyInString: the file has such a template.
          'return `globalThis.deploys = (globalThis.deploys ?? 0) + 1; const all = ${its}.call(${value}); const ${name}Parts = globalThis.deploys % 2 === 0 ? all : [...all].reverse();',
      },
    ],
    bias: { pipelines: ['tags'], outputsPerChunkMax: 1, late: false, idle: false, faults: harsh },
  },
  generation: {
    rule: '7: a position is the generation of the exchange shard and the sequence number',
    failsOf500: 459,
    mutations: [
      {
        file: 'shared/runtime/generations.ts',
        find: '1 + Math.max(known.get(restoredShard) ?? 0, ...above.map(generationOf))',
        replace: '1 + 0 * above.length',
      },
    ],
    bias: { pipelines: ['lambda'], exchangeReshards: 2 },
  },
  parents: {
    rule: '7: a child starts only when its ancestors are finished',
    failsOf500: 405,
    flaw: 'ignores-parents',
    bias: { ...onLambda, exchangeReshards: 2, rawReshards: 1 },
  },
  grandparents: {
    rule: '7: ancestors are looked at transitively, through empty shards',
    failsOf500: 53,
    flaw: 'ignores-grandparents',
    bias: { ...onLambda, exchangeReshards: 6, rawReshards: 6 },
  },
  'worker-parents': {
    rule: '7: the worker too starts a child only when its ancestors are finished',
    mutations: [
      {
        file: leases,
        find: '!isFinished(shardId) && parents.every(isThrough))',
        replace: '!isFinished(shardId) || parents.length < 0)',
      },
    ],
    bias: { pipelines: ['worker'], exchangeReshards: 2 },
  },
  'finished-after-snapshots': {
    rule: '15: a shard is finished only after the snapshots of all its slots have reached its end',
    mutations: [
      {
        file: shardReader,
        find: 'if (batch.ended) await this.#saveAll(); else if',
        replace: "if (batch.ended) return 'ended'; if",
      },
    ],
    bias: { pipelines: ['worker'], exchangeReshards: 2, workers: 2 },
  },
  'renewal-needs-progress': {
    rule: 'leases: a lease is renewed only by a reader that has made progress',
    mutations: [
      {
        file: worker,
        find: 'if (reading.reader.progress !== reading.renewedProgress) {',
        replace: 'if (reading.reader.progress >= reading.renewedProgress) {',
      },
    ],
    bias: { pipelines: ['worker'], faults: { hang: 0.03 } },
  },
  'a-standstill-frees': {
    rule: 'leases: one that stands still for a period is free',
    mutations: [
      {
        file: leases,
        find: 'return seen !== undefined && this.#nowMs - seen.sinceMs >= periods * this.#periodMs;',
        replace: 'void seen; return false;',
      },
    ],
    bias: { pipelines: ['worker'], faults: harsh },
  },
  mark: {
    rule: '8: an output counts only if its position is above the mark',
    failsOf500: 473,
    mutations: [
      {
        file: slot,
        find: 'if (mark !== null && compareRecordPositions(at, mark) <= 0) {',
        replace: 'if (mark === undefined) {',
      },
    ],
  },
  'judged-before': {
    rule: '8: an output is judged by W as it was before its block',
    failsOf500: 219,
    mutations: [
      {
        file: slot,
        find: 'const mark = this.log.open(block, arrivalMs);',
        replace: 'const mark = this.log.open(block, arrivalMs); this.log.close(block, position);',
      },
    ],
  },
  'closes-with-its-last-source': {
    rule: '8: a window over several sources closes when the last of them has passed it, on Lambda too',
    mutations: [
      {
        file: 'shared/engine/slots/cells.ts',
        find: 'const watermarkMs = this.reader.log.watermarkOfStep(work.step);',
        replace: 'const watermarkMs = this.reader.log.watermarkOf(work.step.sources[0] as string);',
      },
    ],
    bias: { pipelines: ['rows'] },
  },
  'watermark-rises': {
    rule: '8: W never falls',
    failsOf500: 8,
    mutations: [
      {
        file: watermark,
        find: 'source.watermarkMs = Math.max(source.watermarkMs, minimumOverLive(source, this.clockMs));',
        replace: 'source.watermarkMs = minimumOverLive(source, this.clockMs);',
      },
    ],
    bias: { idle: true },
  },
  'wakes-with-the-first-word': {
    rule: '10: when a silent source speaks again all of its origins are waited for anew',
    mutations: [{ file: watermark, find: 'if (stoodStill || speaksAgain) ', replace: 'if (stoodStill) ' }],
    bias: { idle: true },
  },
  'standstill-is-no-silence': {
    rule: '10: after a standstill all origins are waited for anew',
    mutations: [{ file: watermark, find: 'if (stoodStill || speaksAgain) ', replace: 'if (speaksAgain) ' }],
    bias: { idle: true },
  },
  'the-silent-have-spoken': {
    rule: '10: when all are idle W goes to the least of those that spoke since all were waited for',
    mutations: [
      {
        file: watermark,
        find: 'return spoke.length === 0 ? Number.NEGATIVE_INFINITY : ',
        replace: 'return spoke.length >= 0 ? Number.NEGATIVE_INFINITY : ',
      },
    ],
    bias: { idle: true },
  },
  'unseen-roots': {
    rule: '9: a listed root that was not seen yet counts as minus infinity',
    mutations: [{ file: watermark, find: 'if (!isIdle(sinceMs)) return Number.NEGATIVE_INFINITY;', replace: '' }],
  },
  'retired-ancestors': {
    rule: "9: an origin's first block retires its ancestors",
    failsOf500: 293,
    mutations: [
      {
        file: watermark,
        find: 'for (const ancestor of ancestorsOf(from.shard, roster)) retire(origins, ancestor, clockMs);',
        replace: 'void ancestorsOf; void retire;',
      },
    ],
    bias: { rawReshards: 1 },
  },
  'unseen-children': {
    rule: "9: unseen children of a retired origin hold at the parents' watermark",
    failsOf500: 102,
    mutations: [
      { file: watermark, find: 'if (!isIdle(heldSinceMs))', replace: 'if (heldSinceMs === Number.NEGATIVE_INFINITY)' },
    ],
    bias: { rawReshards: 2 },
  },
  'retired-marks': {
    rule: '9: the marks of retired origins stay',
    failsOf500: 185,
    mutations: [
      { file: watermark, find: 'origin.retired = true;', replace: 'origin.retired = true; origin.mark = null;' },
    ],
    bias: { rawReshards: 2, faults: { zombie: 0.05, 'put-delayed': 0.1, 'put-doubled': 0.05, rewind: 0.1 } },
  },
  'clock-of-the-log': {
    rule: '10: wall clock enters only as blocks of the log',
    failsOf500: 17,
    mutations: [
      {
        file: aggregate,
        find: 'const { slot } = placed.block;',
        replace: 'Object.assign(placed, { arrivalMs: options.clock.now() }); const { slot } = placed.block;',
      },
    ],
    bias: { pipelines: ['lambda', 'both', 'sources'], idle: true, faults: harsh },
  },
  'consistent-reads': {
    rule: "11: a slot's checkpoint is read with strong consistency",
    failsOf500: 104,
    flaw: 'stale-checkpoints',
    bias: onLambda,
  },
  'failed-memory': {
    rule: "11: nothing of a failed attempt's memory is used again",
    failsOf500: 59,
    mutations: [
      {
        file: aggregate,
        find: "const checkpoint = await state.readCheckpoint('aggregate', slot);",
        replace:
          "const memory = ((options as any).memory ??= new Map()); const checkpoint = memory.get(slot) ?? (await state.readCheckpoint('aggregate', slot));",
      },
      {
        file: aggregate,
        find: 'if (!(await writeCells(state, effects))) return false;',
        replace: 'memory.set(slot, effects.checkpoint); if (!(await writeCells(state, effects))) return false;',
      },
    ],
    bias: { ...onLambda, faults: harsh },
  },
  'item-position': {
    rule: '12: a state item adds only outputs above its own position',
    failsOf500: 217,
    mutations: [{ file: cells, find: 'if (position <= read) continue;', replace: 'void read;' }],
    bias: { ...onLambda, faults: harsh },
  },
  'item-condition': {
    rule: '12: a state item is written on condition that its position is the one read',
    failsOf500: 7,
    mutations: [
      {
        file: memoryState,
        find: "if (panes.get(nameOfPane(cell.id))?.get(cell.id.group)?.cell.position !== read) return 'conflict';",
        replace: 'void read;',
      },
    ],
    bias: { ...onLambda, slots: [1], faults: { ...harsh, zombie: 0.1 } },
  },
  'checkpoint-condition': {
    rule: '13: a checkpoint is written on condition that its position is the one read',
    failsOf500: 44,
    mutations: [{ file: memoryState, find: '? stored?.position === condition.position', replace: '? true' }],
    bias: { ...onLambda, slots: [1], faults: { ...harsh, zombie: 0.1 } },
  },
  'conflict-is-no-success': {
    rule: '13: a conflict is a success only if the stored position is at least mine',
    failsOf500: 2,
    mutations: [
      {
        file: aggregate,
        find: 'return (stored?.position ?? logStart) >= effects.checkpoint.position;',
        replace: 'return (stored?.position ?? logStart) >= logStart;',
      },
    ],
    bias: { ...onLambda, slots: [1], faults: { zombie: 0.15 } },
  },
  'rows-before-checkpoint': {
    rule: '14: rows are written before the checkpoint',
    failsOf500: 314,
    mutations: [
      {
        file: aggregate,
        find: 'const rows = await results.writeRows(effects.emission.rows);',
        replace: 'const rows = { fenced: 0 };',
      },
      {
        file: aggregate,
        find: 'const totals = await results.writeTotals(effects.emission.totals);',
        replace: 'const totals = { fenced: 0 };',
      },
      {
        file: aggregate,
        find: "if (outcome === 'written') {",
        replace:
          "if (outcome === 'written') { await results.writeRows(effects.emission.rows); await results.writeTotals(effects.emission.totals);",
      },
    ],
    bias: { ...onLambda, faults: harsh },
  },
  'rows-of-what-was-dropped': {
    rule: '14: rows are written for all that a block touched, even if the item dropped all of it',
    failsOf500: 147,
    mutations: [
      {
        file: cells,
        find: 'this.#emit(step, cell, true, 0, emission);',
        replace: 'if (cell.changed || !this.#work.has(cellName(cell.id))) this.#emit(step, cell, true, 0, emission);',
      },
    ],
    bias: { ...onLambda, faults: harsh },
  },
  'final-first': {
    rule: '14: a final row is above all others',
    failsOf500: 314,
    mutations: [{ file: 'shared/schemas/row.ts', find: 'row.final ? 1 : 0', replace: "''" }],
  },
  'greater-wins': {
    rule: '14: of two writes of a row the strictly greater wins',
    failsOf500: 102,
    mutations: [
      {
        file: memoryResults,
        find: 'if (before !== undefined && rowOrder(written) <= rowOrder(before)) return false;',
        replace: 'void rowOrder;',
      },
    ],
    bias: { faults: { ...harsh, 'worker-joins': 0.1 } },
  },
  'pointer-swap': {
    rule: '15: the checkpoint of a snapshot is swapped on a condition',
    failsOf500: 37,
    mutations: [{ file: memoryState, find: revisionIsRead, replace: ': true;' }],
    bias: rivals,
  },
  'pointer-revision': {
    rule: '15: by who read it, not by who has come further',
    mutations: [{ file: memoryState, find: revisionIsRead, replace: ': isNotAbove;' }],
    bias: rivals,
  },
  'position-in-a-delta': {
    rule: '15: a delta holds the position that its state is at',
    mutations: [{ file: snapshotCodec, find: 'let start =', replace: "let start = save.kind === 'delta' ? '{' :" }],
    bias: { pipelines: ['worker'], faults: harsh },
  },
  'removed-after-the-swap': {
    rule: '15: a snapshot is removed after nothing refers to it any more',
    mutations: [
      {
        file: snapshots,
        find: 'await swapPointer(options, stage.reader.slot, stored?.revision,',
        replace:
          "if (kind === 'base') await removeLeftovers(options, stage, manifest, before); await swapPointer(options, stage.reader.slot, stored?.revision,",
      },
    ],
    bias: { pipelines: ['worker'] },
  },
  'epochs-of-names': {
    rule: '15: an owner that was deposed does not remove what its successor puts',
    mutations: [
      {
        file: snapshots,
        find: 'epochOf(name.slice(folder.length)) <= epoch',
        replace: 'epochOf(name.slice(folder.length)) > 0 * epoch',
      },
      // It takes its time, so that there is a successor more often.
      {
        file: snapshots,
        find: 'const names = await blobs.list(folder);',
        replace:
          "for (let call = 0; call < 20; call += 1) await options.state.readCheckpoint('window', stage.reader.slot); const names = await blobs.list(folder);",
      },
    ],
    bias: rivals,
  },
  'names-of-owners': {
    rule: '15: no two owners put objects under the same name',
    mutations: [
      {
        file: snapshots,
        find: 'const { owner, snapshotLimits } = options;',
        replace: "const { snapshotLimits } = options; const owner = 'anybody';",
      },
    ],
    bias: rivals,
  },
  'cut-short': {
    rule: '15: what a base that was cut short would have held is in the delta that follows',
    mutations: [
      {
        file: snapshots,
        find: 'if (piece === undefined) return undefined;',
        replace: 'if (piece === undefined) { isStored = true; return undefined; }',
      },
    ],
    bias: rivals,
  },
  'a-base-of-one-moment': {
    rule: '15: a base is of the moment when it began, while the slot goes on',
    mutations: [
      {
        file: 'shared/engine/slots/memory-stage.ts',
        find: "entries: kind === 'base' ? operator.save() : operator.saveChanges(),",
        replace: "get entries() { return kind === 'base' ? operator.save() : operator.saveChanges(); },",
      },
    ],
    bias: { pipelines: ['worker'], faults: { ...harsh, 'worker-joins': 0.1 } },
  },
  'what-is-below-is-kept': {
    rule: '15: what comes after a part of the state was put aside is added to it, and does not take its place',
    mutations: [
      { file: 'shared/engine/state/keyed-state.ts', find: 'if (this.#isMerged) this.#part += 1; }', replace: '}' },
    ],
    bias: { pipelines: ['worker'], overflow: true },
  },
  'spilled-changes-are-saved': {
    rule: '15: a delta holds what was put aside since the save before',
    mutations: [
      { file: 'shared/engine/state/layer-stack.ts', find: 'isSaved: !this.#tracksSaves,', replace: 'isSaved: true,' },
    ],
    bias: { pipelines: ['worker'], overflow: true, faults: { ...harsh, 'worker-joins': 0.1 } },
  },
  'late-by-all-there-is': {
    rule: '15: whether a record is late is judged by all that there is of its key, on the disk too',
    mutations: [
      {
        file: 'shared/engine/operators/session.ts',
        find: 'const ofKey = this.#sessionsOf(key, isClosed(endMs, this.#allowedLatenessMs, watermarkMs));',
        replace: 'const ofKey = this.#sessionsOf(key, false);',
      },
    ],
    bias: { pipelines: ['worker'], overflow: true, late: true },
  },
  'whole-objects': {
    rule: '15: an object that has other bytes than were put is not restored',
    mutations: [
      { file: snapshotCodec, find: 'if (bytes.readUInt32BE(crcAt) !== checksumOf(bytes))', replace: 'if (false)' },
    ],
    bias: { pipelines: ['worker'], faults: { ...harsh, 'blob-lost': 0.3 } },
  },
  'ancestors-again': {
    rule: '15: a slot that had to go back reads its log from there, in the ancestors of its shard too',
    mutations: [{ file: shardReader, find: 'await this.#readAncestors(stage);', replace: 'void 0;' }],
    bias: { pipelines: ['worker'], exchangeReshards: 4, faults: { ...harsh, 'blob-lost': 0.3 } },
  },
  'no-epoch': {
    rule: "15: the worker's rows carry no epoch",
    failsOf500: 16,
    mutations: [
      {
        file: 'shared/engine/slots/memory-stage.ts',
        find: 'reader: SlotReader;',
        replace:
          "reader: SlotReader; readonly epoch = String(((globalThis as any).epochs = ((globalThis as any).epochs ?? 0) + 1)).padStart(9, '0');",
      },
      {
        file: 'shared/engine/slots/memory-stage.ts',
        find: 'slot: this.reader.slot, position: placed.position,',
        replace: 'slot: this.reader.slot, position: (this.epoch + placed.position) as LogPosition,',
      },
    ],
    bias: { pipelines: ['worker'], faults: { zombie: 0.03, 'worker-joins': 0.3 } },
  },
  'watermark-read-first': {
    rule: "16: a reader takes every slot's W before the partials",
    failsOf500: 12,
    mutations: [
      {
        file: 'shared/runtime/read.ts',
        find: 'const watermarkMs = await leastWatermark(state, pipeline, step);',
        replace: '',
      },
      {
        file: 'shared/runtime/read.ts',
        find: 'const printed = rows.flatMap(',
        replace: 'const watermarkMs = await leastWatermark(state, pipeline, step); const printed = rows.flatMap(',
      },
    ],
    bias: { pipelines: ['lambda'], slots: [4], polls: 2 },
  },
  'both-sides-wait': {
    rule: "join: a record waits for the watermarks of both sides' sources",
    mutations: [
      {
        file: 'shared/engine/compile/compile-steps.ts',
        find: 'sources: [...new Set([plan.left, plan.right].flatMap(sourcesOfInput))],',
        replace: 'sources: [plan.left.source],',
      },
    ],
    bias: { pipelines: ['join-sources'] },
  },
  'the-silent-are-left-out': {
    rule: 'join: a source that has fallen silent is not waited for',
    mutations: [
      {
        file: watermark,
        find: 'const live = join.sources.filter((source) => !isSilent(source, this.clockMs));',
        replace: 'const live = join.sources;',
      },
    ],
    bias: { pipelines: ['join-sources'], idle: true },
  },
  'the-watermark-of-a-join-rises': {
    rule: 'join: W does not fall when a silent source speaks again',
    mutations: [
      {
        file: watermark,
        find: 'Math.max(join.watermarkMs, Math.min(...awaited.map((source) => source.watermarkMs)));',
        replace: 'Math.min(...awaited.map((source) => source.watermarkMs));',
      },
    ],
    bias: { pipelines: ['join-sources'], idle: true },
  },
  'held-until-all-would-be-late': {
    rule: 'join: a record is held until all that may join it would be late',
    mutations: [
      {
        file: join,
        find: "return timeMs + (side === 'left' ? upperMs : -lowerMs) + 1;",
        replace: "return timeMs + (side === 'left' ? upperMs : -lowerMs);",
      },
    ],
    bias: { pipelines: ['join', 'join-sources'] },
  },
  'late-before-forgotten': {
    rule: 'join: what comes after its partners may be forgotten is late',
    mutations: [
      {
        file: join,
        find: 'if (isClosed(timeMs + 1, plan.allowedLatenessMs, watermarkMs)) return false;',
        replace: 'if (isClosed(timeMs + 1 + plan.upperMs, plan.allowedLatenessMs, watermarkMs)) return false;',
      },
    ],
    bias: { pipelines: ['join', 'join-sources'], late: true },
  },
  'pairs-have-names': {
    rule: 'join: a row has the positions of both its records in its name',
    mutations: [{ file: join, find: 'id: idOf(left, right),', replace: 'id: idOf(left, undefined),' }],
    bias: { pipelines: ['join', 'join-sources'] },
  },
  'matched-in-the-delta': {
    rule: 'join: a delta holds the records that have had a partner since the save before',
    mutations: [
      { file: join, find: "if (!left.isMatched) this.#noteChange(key, 'left', left.timeMs);", replace: '' },
      { file: join, find: "if (!right.isMatched) this.#noteChange(key, 'right', right.timeMs);", replace: '' },
    ],
    bias: { pipelines: ['join', 'join-sources'], faults: { ...harsh, 'worker-joins': 0.1 } },
  },
  'matched-in-the-snapshot': {
    rule: 'join: a snapshot says which of the held records have had a partner',
    mutations: [
      {
        file: join,
        find: 'const restored = records.map(([id, isMatched, values]) => ({ timeMs, id, values, isMatched }));',
        replace: 'const restored = records.map(([id, , values]) => ({ timeMs, id, values, isMatched: false }));',
      },
    ],
    bias: { pipelines: ['join', 'join-sources'], faults: { ...harsh, 'worker-joins': 0.1 } },
  },
  'rows-in-one-order': {
    rule: 'sinks: the rows of a block go into files in an order that no restore changes',
    mutations: [{ file: outlet, find: 'rows.sort(compareRows);', replace: '' }],
    bias: { pipelines: ['sinks'], faults: { ...harsh, 'worker-joins': 0.1 } },
  },
  'files-by-the-log': {
    rule: 'sinks: what waits for its file, and since when, is in the snapshot',
    mutations: [{ file: fileBuffer, find: 'this.#sinceMs = sinceMs;', replace: '' }],
    bias: { pipelines: ['sinks'], faults: { ...harsh, 'worker-joins': 0.1 } },
  },
  'waiting-rows-in-the-delta': {
    rule: 'sinks: a delta holds the rows that have come since the save before',
    mutations: [
      {
        file: fileBuffer,
        find: 'else if (saved.count < this.#lines.length) yield* this.#saveFrom(saved.count);',
        replace: '',
      },
    ],
    bias: { pipelines: ['sinks'], faults: { ...harsh, 'worker-joins': 0.1 } },
  },
  'files-before-the-snapshot': {
    rule: 'sinks: a snapshot is written after the files of the rows that it does not hold any more',
    mutations: [
      {
        file: writeEmission,
        find: 'await writeFiles(options, emission.files);',
        replace: 'void writeFiles(options, [...emission.files]).catch(() => undefined);',
      },
    ],
    bias: { pipelines: ['sinks'], faults: harsh },
  },
  'final-rows-only': {
    rule: 'sinks: only final rows leave a slot',
    mutations: [{ file: outlet, find: '.filter(({ final }) => final)', replace: '' }],
    bias: { pipelines: ['sinks'] },
  },
  'files-counted-on': {
    rule: 'sinks: the files that one block closes have names that differ',
    mutations: [{ file: fileBuffer, find: 'this.#closedCount += 1;', replace: '' }],
    bias: { pipelines: ['sinks'] },
  },
  'one-place-of-a-slot': {
    rule: 'sinks: all records of a slot have one place in the hash space of the stream',
    mutations: [
      {
        file: rowBatchCodec,
        find: 'const explicitHashKey = slotHashKey(slot, slots).toString();',
        replace:
          'const explicitHashKey = ((slotHashKey(slot, slots) + BigInt(batches.length % 2) * 2n ** 127n) % 2n ** 128n).toString();',
      },
    ],
    bias: { pipelines: ['sinks'], rowReshards: 3 },
  },
  'rows-of-before-a-restore': {
    rule: 'rows that the deployment before a savepoint has put on the exchange are not heard',
    mutations: [
      {
        file: watermark,
        find: 'return compareSequences(origin.to[0], source.since) < 0 ? undefined : source;',
        replace: 'void compareSequences; return source;',
      },
    ],
    bias: { ...moving, pipelines: ['chain', 'top', 'chained-ties'] },
  },
  'blocks-of-other-slots': {
    rule: 'blocks that the deployment before a savepoint has put for other slots are passed over',
    mutations: [
      {
        file: 'shared/runtime/exchange-batch.ts',
        find: 'if (decoded.block.slots !== slots && isBehindRestore(generation)) continue;',
        replace: 'void isBehindRestore;',
      },
    ],
    bias: moving,
  },
  'files-are-drained': {
    rule: 'sinks: a drained savepoint has no rows that wait for their file',
    mutations: [{ file: 'shared/runtime/savepoint-create.ts', find: '&& isEmptied &&', replace: '&&' }],
    bias: { pipelines: ['sinks'], idle: false, late: false, moves: 1, faults: harsh },
  },
  'one-record-in-flight': {
    rule: 'sinks: a record goes into the stream of a view when the one before it was accepted',
    mutations: [
      {
        file: writeEmission,
        find: 'await putEntries(into, [entry]);',
        replace: 'void putEntries(into, [entry]).catch(() => undefined);',
      },
    ],
    bias: { pipelines: ['sinks'], faults: { ...harsh, 'put-refused': 0.2, 'put-delayed': 0.1 } },
  },
  'order-of-event-time': {
    rule: 'process: records of a key are taken in the order of their event times',
    mutations: [
      {
        file: waiting,
        find: 'while (place > 0 && (waiting[place - 1] as One).timeMs > record.timeMs) place -= 1;',
        replace: '',
      },
    ],
    bias: processing,
  },
  'the-last-row-of-a-block': {
    rule: 'windows: of the rows of a global window that one block leads to the last is written',
    mutations: [
      { file: ordered, find: 'else emission.rows[this.#rowPlace] = emission.rows.pop() as Row;', replace: '' },
    ],
    bias: { pipelines: ['ordered'] },
  },
  'one-row-of-a-block': {
    rule: 'windows: a global row that the clock shows takes the place of the one that its block has led to',
    mutations: [
      {
        file: ordered,
        find: 'if (this.#isShowing && this.#rowPlace !== undefined) this.#showOpen(key, context, emission);',
        replace: '',
      },
    ],
    bias: { pipelines: ['ordered'] },
  },
  'a-row-of-each-key': {
    rule: 'windows: what takes the place of a global row is of the same key',
    mutations: [{ file: ordered, find: 'emission); this.#rowPlace = undefined; }', replace: 'emission); }' }],
    bias: { pipelines: ['ordered'] },
  },
  'shown-to-its-end': {
    rule: 'windows: the next block, and a save, wait until all is written that a block shows',
    mutations: [
      {
        file: writeEmission,
        find: 'if (options.isAbandoned() || !stage.showMore()) return;',
        replace: 'if (emission.rest.length >= 0) return;',
      },
      { file: memoryStage, find: '|| this.hasMoreToShow || this.#taken.rest.length > 0;', replace: ';' },
    ],
    bias: { pipelines: ['ordered'], keysAtOnceMax: 1 },
  },
  'sessions-are-cut': {
    rule: 'windows: a record at the greatest length of a session begins the next one',
    mutations: [
      {
        file: ordered,
        find: 'timeMs >= entry.open.startMs + window.maxLengthMs',
        replace: 'timeMs > entry.open.startMs + window.maxLengthMs',
      },
    ],
    bias: { pipelines: ['ordered'] },
  },
  'a-closed-session-takes-back': {
    rule: 'windows: a session that closes takes back what was shown of it',
    mutations: [
      {
        file: session,
        find: 'for (const startMs of session.shownStarts) takeBack(emission, this.#step, context, { key, startMs });',
        replace: '',
      },
    ],
    bias: provisional,
  },
  'a-merged-session-takes-back': {
    rule: 'windows: a session takes back what was shown of those that became a part of it',
    mutations: [
      {
        file: session,
        find: 'into.shownStarts = [...into.shownStarts, ...from.shownStarts];',
        replace: '',
      },
    ],
    bias: provisional,
  },
  'what-was-shown-is-saved': {
    rule: 'windows: a snapshot has what is to be taken back',
    mutations: [
      {
        file: session,
        find: 'return early.shownStarts.length === 0 ? saved :',
        replace: 'return early.shownStarts.length >= 0 ? saved :',
      },
    ],
    bias: provisional,
  },
  'a-whole-window-takes-back': {
    rule: 'windows: a window of records in order takes back what was shown of it',
    mutations: [
      { file: ordered, find: 'open.isShown = true; this.#takeBack(open, turn);', replace: 'open.isShown = true;' },
    ],
    bias: provisional,
  },
  'what-is-gone-stays-gone': {
    rule: 'windows: a row that was taken back is not shown again by an older writer',
    mutations: [
      {
        file: memoryResults,
        find: 'stored.set(id, Object.freeze(kept));',
        replace:
          "if ('provisional' in written && written.provisional === 'gone') stored.delete(id); else stored.set(id, Object.freeze(kept));",
      },
    ],
    bias: { ...rivals, ...provisional },
  },
  'late-records-are-shown': {
    rule: 'windows: the aggregate stage shows late records where their block is applied',
    mutations: [{ file: cells, find: 'this.#showLate(placed);', replace: '' }],
    bias: { pipelines: ['late'], late: true },
  },
  'silence-goes-on': {
    rule: 'windows: a tick takes the watermark of a silent source on, by the time since it was heard of',
    mutations: [{ file: watermark, find: 'return newestMs + clockMs - lastMs;', replace: 'return newestMs;' }],
    bias: { pipelines: ['silent'], idle: true },
  },
  'order-at-one-time': {
    rule: 'process: records of one time are taken by what they hold, not as they came',
    mutations: [{ file: waiting, find: 'compareTexts(a.text, b.text) ||', replace: '' }],
    bias: processing,
  },
  'version-before-record': {
    rule: 'process: a version of a table is valid at its own time',
    mutations: [
      {
        file: waiting,
        find: 'a.record.input - b.record.input ||',
        replace: 'b.record.input - a.record.input ||',
      },
    ],
    bias: processing,
  },
  'late-behind-the-frontier': {
    rule: 'process: what comes after records of its time may have been taken is late',
    mutations: [
      {
        file: process,
        find: 'if (isClosed(timeMs + 1, plan.allowedLatenessMs, watermarkMs)) return false;',
        replace: 'if (isClosed(timeMs + 5_000, plan.allowedLatenessMs, watermarkMs)) return false;',
      },
    ],
    bias: { ...processing, late: true },
  },
  'waits-for-lateness': {
    rule: 'process: nothing is taken while a record before it would not be late',
    mutations: [
      {
        file: keysInOrder,
        find: 'isClosed(timeMs + 1, this.#allowedLatenessMs, watermarkMs);',
        replace: 'isClosed(timeMs + 1, 0, watermarkMs);',
      },
    ],
    bias: { ...processing, late: true },
  },
  'ttl-in-event-time': {
    rule: 'process: a state lives in event time, not by the clock',
    mutations: [
      {
        file: process,
        find: 'this.#take(key, entry, timeMs, context, emission);',
        replace: 'this.#take(key, entry, timeMs, context, emission); entry.lastMs = context.clockMs;',
      },
    ],
    bias: processing,
  },
  'nothing-of-what-threw': {
    rule: 'process: a callback that throws has changed nothing',
    mutations: [{ file: processTurn, find: 'kept.state = state;', replace: '' }],
    bias: processing,
  },
  'what-throws-later-is-noted': {
    rule: 'process: what throws in any part of what a block leads to is counted and has a letter',
    mutations: [{ file: memoryStage, find: 'this.#noteFailures(this.#taken);', replace: '' }],
    bias: { ...processing, keysAtOnceMax: 1 },
  },
  'letters-of-each-part': {
    rule: 'process: the letters of all parts are written before a save',
    mutations: [
      {
        file: writeEmission,
        find: 'await writeLetters(options, stage);',
        replace:
          "if (!('isBegun' in options)) await writeLetters(options, stage); Object.assign(options, { isBegun: true });",
      },
    ],
    bias: { ...processing, keysAtOnceMax: 1 },
  },
  'emitted-rows-have-numbers': {
    rule: 'process: a row has its number among those of its key and time in its name',
    mutations: [{ file: process, find: 'id: idOf(emission.rows.length - firstRow),', replace: 'id: idOf(0),' }],
    bias: processing,
  },
  'timers-in-the-snapshot': {
    rule: 'process: a snapshot has the timers',
    mutations: [
      { file: process, find: 'entry.timers.map(({ timeMs, input, at }) => [timeMs, input, at]),', replace: '[],' },
    ],
    bias: { ...processing, faults: { ...harsh, 'worker-joins': 0.1 } },
  },
  'turns-in-the-delta': {
    rule: 'process: a delta has the keys that had their turn since the save before, also without a new record',
    mutations: [{ file: keysInOrder, find: 'this.keys.noteChange(key); this.take(', replace: 'this.take(' }],
    bias: { ...processing, faults: { ...harsh, 'worker-joins': 0.1 } },
  },
  'columns-of-the-block': {
    rule: '6: a block of another plan is read by what it says of its columns',
    mutations: [
      {
        file: admit,
        find: 'if (made.plan === pipeline.planHash) return ownDelivery(pipeline, stage, outputs.route);',
        replace: 'return ownDelivery(pipeline, stage, outputs.route);',
      },
    ],
    bias: { pipelines: ['grows', 'shrinks'] },
  },
  'state-of-the-same-contract': {
    rule: '6: a step goes on with state of its own contract',
    mutations: [
      { file: admit, find: 'if (reason === undefined) goOn.add(id);', replace: 'if (false) goOn.add(id);' },
      {
        file: admit,
        find: 'else if (!pipeline.dropped.has(nameOfLoss(id, contract))) throw',
        replace: 'else if (false) throw',
      },
    ],
    bias: { pipelines: ['grows', 'shrinks'] },
  },
  'restored-above-all-that-was': {
    rule: 'savepoint: what is restored stands above all that the deployment before has written',
    mutations: [{ file: savepointRestore, find: 'return generation + generationsBehindMax;', replace: 'return 0;' }],
    bias: moving,
  },
  'cells-of-one-moment': {
    rule: 'savepoint: a checkpoint and its cells are of one moment',
    mutations: [
      {
        file: savepointCreate,
        find: "if (after?.position === log?.position && cells.every(({ position }) => position <= (log?.position ?? ''))) {",
        replace: 'if (after !== undefined || true) {',
      },
    ],
    bias: { ...moving, pipelines: ['lambda', 'both'], faults: harsh },
  },
  'keys-of-the-slot': {
    rule: 'savepoint: a cell goes to the slot of its key',
    mutations: [{ file: reslot, find: 'if (slotOf(key, pipeline.slots) !== slot) continue;', replace: '' }],
    bias: { ...moving, pipelines: ['lambda', 'both'] },
  },
  'totals-made-anew': {
    rule: 'savepoint: the totals of slots that became others are those of their keys',
    mutations: [
      {
        file: reslot,
        find: 'for (const [, , encoded] of own) mergeTotal(this.#step, slice.total, decodeAccumulators(this.#step, encoded));',
        replace: '',
      },
    ],
    bias: { ...moving, pipelines: ['both', 'worker', 'windows'] },
  },
  'counts-once': {
    rule: 'savepoint: what was counted belongs to one of the slots that a slot becomes',
    mutations: [
      {
        file: reslot,
        find: 'isFirst ? parents.reduce((all, log) => all + of(log), 0) : 0;',
        replace: 'parents.reduce((all, log) => all + of(log), 0);',
      },
    ],
    bias: moving,
  },
  'cut-without-rows-under-way': {
    rule: 'savepoint: no row was made and not yet read by a slot that was copied',
    mutations: [
      {
        file: 'shared/engine/slots/cut.ts',
        find: 'return rows.madeAt === logStart || compareRecordPositions(mark, [sequenceInLog(rows.madeAt), subMax]) >= 0;',
        replace: 'void compareRecordPositions; void subMax; return true;',
      },
      {
        file: 'shared/engine/slots/cut.ts',
        find: 'if (mark === null) return rows.madeAt === logStart;',
        replace: 'if (mark === null) return true;',
      },
    ],
    bias: { ...chained, ...moving },
  },
  'rows-before-the-snapshot': {
    rule: 'chain: a snapshot is written only when the rows up to its P are accepted by the exchange',
    mutations: [
      {
        file: rowFeed,
        find: 'await this.#put(blocks);',
        replace: 'void this.#put(blocks).catch(() => undefined);',
      },
    ],
    bias: chained,
  },
  'chained-rows-in-one-order': {
    rule: "chain: a block's rows have one order, in state that was restored and in state that has grown",
    mutations: [
      { file: memoryStage, find: 'wanted.sort(compareRows)', replace: 'wanted' },
      // No law says in which order a snapshot has its keys.
      {
        file: 'shared/engine/operators/session.ts',
        find: 'for (const [key, saved, isWhole = true] of keys) {',
        replace: 'for (const [key, saved, isWhole = true] of [...keys].reverse()) {',
      },
    ],
    bias: { ...chained, pipelines: ['chained-ties'], slots: [1], outputsPerChunkMax: 1 },
  },
  'rows-are-told-apart': {
    rule: 'chain: a row has the place of the block that made it final, and its number among its rows',
    mutations: [
      {
        file: rowOrigin,
        find: 'this.#takeRow(packer, sequence, index, row, isWanted);',
        replace: 'this.#takeRow(packer, sequence, 0, row, isWanted);',
      },
    ],
    bias: { ...chained, outputsPerChunkMax: 1 },
  },
  'rows-keep-their-place': {
    rule: 'chain: whoever reads a log again puts the same rows at the same positions',
    mutations: [
      {
        file: rowOrigin,
        find: 'const sequence = sequenceInLog(position);',
        replace:
          'const sequence = String(((this as any).taken = ((this as any).taken ?? 0) + 1)).padStart(130, String(this.#pipeline.slots)); void position;',
      },
    ],
    bias: chained,
  },
  'rows-wait-for-lateness': {
    rule: "chain: the watermark of a step's rows is behind its own by the allowed lateness",
    mutations: [
      {
        file: rows,
        find: "if (window.kind === 'session') return watermarkMs - Math.max(allowedLatenessMs, 1);",
        replace: "if (window.kind === 'session') return watermarkMs;",
      },
      {
        file: rows,
        find: 'const closedMs = watermarkMs - allowedLatenessMs;',
        replace: 'const closedMs = watermarkMs; void allowedLatenessMs;',
      },
    ],
    bias: { pipelines: ['chain', 'top'] },
  },
  'lone-rows-are-waited-for': {
    rule: 'chain: the watermark of joined rows waits for those that may stay alone',
    mutations: [
      {
        file: rows,
        find: 'return watermarkMs - allowedLatenessMs - waitMs;',
        replace: 'void waitMs; return watermarkMs - allowedLatenessMs;',
      },
    ],
    bias: { pipelines: ['chained-join'] },
  },
  'the-promise-is-behind-the-rows': {
    rule: "chain: a chunk that ends among a block's rows promises no more than the block before",
    mutations: [
      {
        file: rowOrigin,
        find: 'const isWanted = this.#selectTop(rows);',
        replace: 'packer.promise(watermarkMs); const isWanted = this.#selectTop(rows);',
      },
    ],
    bias: { pipelines: ['chain', 'top', 'chained-join'], outputsPerChunkMax: 1 },
  },
  'totals-go-with-the-rows': {
    rule: "top: what a slot has of a window's total crosses with its rows",
    mutations: [
      {
        file: rowOrigin,
        find: 'for (const [index, total] of totals.entries())',
        replace: 'for (const [index, total] of totals.slice(1).entries())',
      },
    ],
    bias: { pipelines: ['top'] },
  },
  'totals-are-saved': {
    rule: 'top: what is known of a total is saved with the rows that are ranked',
    mutations: [
      {
        file: 'shared/engine/operators/top.ts',
        find: 'total === undefined || shared === undefined',
        replace: 'true || total === undefined || shared === undefined',
      },
    ],
    bias: { ...chained, pipelines: ['top'] },
  },
  'totals-have-places': {
    rule: 'top: a part of a total has a place of its own behind the rows, so that it counts once',
    mutations: [
      {
        file: rowOrigin,
        find: 'this.#takeTotal(packer, sequence, rows.length + index, total);',
        replace: 'this.#takeTotal(packer, sequence, index, total);',
      },
    ],
    bias: { ...chained, pipelines: ['top'] },
  },
  'every-slot-is-waited-for': {
    rule: "chain: no slot's rows are complete before all slots were heard of",
    mutations: [
      {
        file: rowOrigin,
        find: 'this.#roster = Object.fromEntries(Array.from({ length: pipeline.slots }, (_, one) => [originOf(one), []]));',
        replace: 'this.#roster = { [this.#shard]: [] };',
      },
    ],
    bias: { pipelines: ['chain', 'top', 'chained-join'], slots: [4] },
  },
  'watermarks-are-told': {
    rule: 'chain: a slot without rows tells all slots how far it is',
    mutations: [
      {
        file: memoryStage,
        find: 'heartbeats(): readonly Block[] {',
        replace: 'heartbeats(): readonly Block[] { if (true) return [];',
      },
    ],
    bias: { pipelines: ['chain'] },
  },
  'watermarks-are-told-behind-the-rows': {
    rule: 'chain: a watermark is told to all only when the rows before it are accepted',
    mutations: [
      {
        file: shardReader,
        find: 'await this.#writeAll(); if (this.#feeds) await this.#feed.tell(this.#stages(), batch.records.length);',
        replace: 'await this.#feed.tell(this.#stages(), 0); await this.#writeAll();',
      },
    ],
    bias: { pipelines: ['chain', 'top', 'chained-join'] },
  },
  'changes-take-back-what-was': {
    rule: 'running: a row that changes is taken back as it was before it is given as it is',
    mutations: [
      {
        file: 'shared/engine/operators/running.ts',
        find: 'if (before !== undefined) show(before, -1);',
        replace: 'if (before !== undefined) show(after, -1);',
      },
    ],
    bias: { pipelines: ['running'] },
  },
  'rows-are-told-by-their-records': {
    rule: 'select: rows of one key and time are told apart by the positions of their records',
    mutations: [
      {
        file: 'shared/engine/operators/select.ts',
        find: 'this.#taken.push({ key, timeMs, id:',
        replace: 'void [origin, sequence, sub]; this.#taken.push({ key, timeMs, id: String(this.#taken.length) ||',
      },
    ],
    bias: { pipelines: ['rows'] },
  },
  'a-hash-spreads-the-rows': {
    rule: 'select: a record without a key is in the slot where it was, whatever is tried again',
    mutations: [
      {
        file: 'shared/pipeline/select.ts',
        find: 'return { [spreadColumn]: hashRow(row, timeMs) % spreadParts };',
        replace: 'void [hashRow, timeMs]; spreads += 1; return { [spreadColumn]: spreads % spreadParts };',
      },
      {
        file: 'shared/pipeline/select.ts',
        find: 'const spreadParts = 256;',
        replace: 'const spreadParts = 256; let spreads = 0;',
      },
    ],
    bias: { pipelines: ['rows'], slots: [2, 4] },
  },
  'what-was-found-is-noted': {
    rule: 'enrich: what was looked up is noted before the first block is put',
    mutations: [{ file: enrichment, find: 'if (lookups.hasNew) await outside(', replace: 'if (false) await outside(' }],
    bias: enriching,
  },
  'a-note-is-used': {
    rule: 'enrich: an attempt at records with a note finds what is noted',
    mutations: [{ file: enrichment, find: 'part.noted?.body', replace: 'undefined' }],
    bias: enriching,
  },
  'the-first-note-stands': {
    rule: 'enrich: of two attempts one writes its note, on condition that the one it read is still there',
    mutations: [{ file: memoryState, find: "if (lookups.get(name)?.id !== read) return 'conflict';", replace: '' }],
    bias: enriching,
  },
  'a-part-ends-with-its-note': {
    rule: 'enrich: records behind a note are a part of their own, which has another note',
    mutations: [
      {
        file: enrichment,
        find: 'const covered = left.filter(({ sequence }) => compareSequences(sequence, noted.to) <= 0);',
        replace: 'const covered = left.some(({ sequence }) => compareSequences(sequence, noted.to) <= 0) ? left : [];',
      },
    ],
    bias: enriching,
  },
  'a-note-keeps-what-it-has': {
    rule: 'enrich: a note to which a later plan adds keeps what the earlier one has noted',
    mutations: [
      {
        file: 'shared/runtime/batch-lookups.ts',
        find: 'inOrderOfKeys([...noted, ...found]).map(([text, { item }]) => entryOf(text, item)),',
        replace: '[...found].map(([text, { item }]) => entryOf(text, item)),',
      },
    ],
    bias: { pipelines: ['enriched-anew'], faults: { 'crash-after': 0.1, 'crash-before': 0.1 } },
  },
  'kept-items-grow-old': {
    rule: 'enrich: an item is no older than its freshness when its record is taken up',
    mutations: [
      {
        file: 'shared/runtime/lookup-cache.ts',
        find: 'if (ageMs > this.#table.freshnessMs || ageMs < 0) return undefined;',
        replace: '',
      },
    ],
    bias: enriching,
  },
  'a-savepoint-cuts-no-batch': {
    rule: 'enrich: a savepoint has all records or none of what is looked up again behind it',
    mutations: [
      {
        file: savepointCreate,
        find: 'if (!isDrained && lookupTablesOf(from.pipeline.plan).length > 0)',
        replace: 'if (false && lookupTablesOf(from.pipeline.plan).length > 0)',
      },
    ],
    bias: { ...moving, ...enriching, slots: [4] },
  },
} as const satisfies Readonly<Record<string, Sabotage>>;

/** The sabotage by its name, in the adversary's world, where a flaw of the mapping can be had. */
export function sabotageOf(name: SabotageName): Sabotage {
  const sabotage: Sabotage = sabotages[name];
  return { ...sabotage, bias: { onModel: false, ...sabotage.bias } };
}
