import { AsyncLocalStorage } from 'node:async_hooks';
import { createKinesis } from '#local/kinesis/model.ts';
import { createMemoryBlobStore } from '#shared/adapters/memory/blob-store.ts';
import { createMemoryLeaseStore } from '#shared/adapters/memory/lease-store.ts';
import { createMemoryResultStore, type MemoryResultStore } from '#shared/adapters/memory/result-store.ts';
import { createMemoryRunStore } from '#shared/adapters/memory/run-store.ts';
import { createMemoryStateStore } from '#shared/adapters/memory/state-store.ts';
import { lookupTablesOf } from '#shared/pipeline/enrich.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import { feedingStepsOf, stepsOf, viewsOf } from '#shared/pipeline/plan.ts';
import type { BlobStore } from '#shared/ports/blob-store.ts';
import type { Clock } from '#shared/ports/clock.ts';
import type { DeadLetters } from '#shared/ports/dead-letters.ts';
import type { Exchange } from '#shared/ports/exchange.ts';
import type { ResultStore } from '#shared/ports/result-store.ts';
import type { StateStore } from '#shared/ports/state-store.ts';
import type { Telemetry } from '#shared/ports/telemetry.ts';
import { createAggregate } from '#shared/runtime/aggregate.ts';
import { decodeBlock } from '#shared/runtime/block-codec.ts';
import { attemptsMax, createPreprocess } from '#shared/runtime/preprocess.ts';
import { createReader } from '#shared/runtime/read.ts';
import { createSavepoint } from '#shared/runtime/savepoint-create.ts';
import { generationOfRestore, restoreSavepoint } from '#shared/runtime/savepoint-restore.ts';
import { createTick } from '#shared/runtime/tick.ts';
import { createWorker, type Worker } from '#shared/runtime/worker.ts';
import type { DeadLetter } from '#shared/schemas/dead-letter.ts';
import { hasCode, MillraceError } from '#shared/schemas/error.ts';
import { endOfStreamMs, watermarkPartitionKey } from '#shared/schemas/punctuation.ts';
import type { PrintedRow } from '#shared/schemas/row.ts';
import type { SavepointManifest } from '#shared/schemas/savepoint.ts';
import { createRandom, type Random } from '#shared/testing/random.ts';
import { Archive } from './archive.ts';
import { Bucket } from './bucket.ts';
import { DriverMapping } from './driver.ts';
import { logsOf } from './exchange-log.ts';
import { LookupWatch, type SeenNote, upTo } from './lookup-watch.ts';
import { type InvocationEnd, type Mapping, type MappingFault, type MappingFlaws, SimMapping } from './mapping.ts';
import { type Move, movedSim, rawStreamsOf } from './move.ts';
import { Network } from './network.ts';
import { stepsOfWholeLife } from './pipelines.ts';
import { type Call, directoryPort, readerPort, storePort } from './ports.ts';
import { killer } from './records.ts';
import { nameOfRow, ResultWatch } from './result-watch.ts';
import { type CallFault, type Choice, Scheduler, type Task } from './scheduler.ts';
import { LooseStream, ModelStream, type SimRecord, type SimShard, type SimStream } from './stream.ts';
import { type Action, exchangeName, type FaultKind, rowStreamsOf, type Scenario, startMs } from './workload.ts';

/** How the outside world breaks a rule, for the tests that show what the rule is for. */
export interface Flaws {
  readonly state?: (store: StateStore, random: Random) => StateStore;
  readonly results?: (store: ResultStore, random: Random) => ResultStore;
  readonly exchange?: (exchange: Exchange, random: Random) => Exchange;
  readonly rawMapping?: MappingFlaws;
  readonly exchangeMapping?: MappingFlaws;
}

/** Which faults, by the order in which they came, are left out of a replay. */
export interface Replay {
  readonly withoutFaults?: ReadonlySet<number>;
  readonly withHistory?: boolean;
  readonly flaws?: Flaws;
}

/** Everything that stands at the end of a seed, for the checks. */
export interface WorldEnd {
  readonly scenario: Scenario;
  readonly finished: boolean;
  /** What broke while it ran. */
  readonly complaints: readonly string[];
  readonly rawStreams: ReadonlyMap<string, SimStream>;
  readonly exchange: SimStream;
  readonly letters: readonly DeadLetter[];
  /** What was looked up, in the order in which it was noted. */
  readonly notes: readonly SeenNote[];
  /** Rows that a reader was shown as final on the way. */
  readonly seenFinal: ReadonlyMap<string, string>;
  /** The streams of the views that go to one. */
  readonly rowStreams: ReadonlyMap<string, SimStream>;
  /** The views' files, by name. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly state: StateStore;
  readonly results: ResultStore;
  readonly faults: ReadonlyMap<string, number>;
  readonly faultCount: number;
  readonly steps: number;
  readonly history: readonly string[];
}

const stepsMax = 30_000;
/** Where rows cross the exchange again there are many more blocks to read, by workers that may hinder one another all the while. */
const stepsMaxChained = 150_000;
/** Closes every window but those that only the end of the stream does. */
const farFutureMs = startMs + 40 * 86_400_000;
/** More than windows, sessions and lateness of a pipeline come to together. */
const pipelineSpanMs = 3_600_000;
const rowBytesMax = 5_000;

export async function runWorld(scenario: Scenario, replay: Replay = {}): Promise<WorldEnd> {
  return new World(scenario, replay).run();
}

interface Saved {
  readonly move: Move;
  readonly store: BlobStore;
  readonly manifest: SavepointManifest;
}

/** What a deployment leaves to the one that goes on from its savepoint. */
interface Before extends Pick<Saved, 'store' | 'manifest'> {
  readonly rawStreams: ReadonlyMap<string, SimStream>;
  /** With all that was put on the exchange or still may come there; undefined where the new deployment has one of its own. */
  readonly network: Network | undefined;
  readonly results: MemoryResultStore;
  readonly rowStreams: ReadonlyMap<string, SimStream>;
  readonly archive: Archive;
  readonly letters: DeadLetter[];
  readonly lookups: LookupWatch;
  readonly notes: readonly SeenNote[];
  readonly seenFinal: Map<string, string>;
  readonly faults: Map<string, number>;
  readonly faultCount: number;
  readonly history: string[];
  readonly nextAction: number;
  readonly nowMs: number;
}

/** A process that runs one task at a time: a warm Lambda environment, or the worker's. */
interface Host<Handler> {
  task: Task;
  /** A deploy leaves no host of the plan before, other than those at work. */
  readonly pipeline: Pipeline;
  readonly handler: Handler;
}

interface RunningWorker {
  readonly worker: Worker;
  /** By which its health is judged, as the process that has it does. */
  readonly clock: Clock;
  /** When it last showed a sign of life. */
  aliveMs: number;
}

class World {
  readonly #scenario: Scenario;
  readonly #replay: Replay;
  readonly #scheduler: Scheduler;
  readonly #chance: Random;
  readonly #faultChance: Random;
  readonly #withoutFaults: ReadonlySet<number>;
  readonly #faults: Map<string, number>;
  #faultCount = 0;
  readonly #history: string[];
  readonly #withHistory: boolean;
  readonly #complaints: string[] = [];
  readonly #rawStreams: ReadonlyMap<string, SimStream>;
  readonly #exchange: SimStream;
  readonly #mappings: readonly Mapping[];
  /** Our own Kinesis and its event source mapping, in the seeds that run with what the laptop runs. */
  readonly #kinesis = createKinesis({ now: () => this.#scheduler.nowMs, throttle: false });
  readonly #state = createMemoryStateStore();
  readonly #leases = createMemoryLeaseStore();
  readonly #results: MemoryResultStore;
  /** What the hosts are given: the memory stores, watched, and broken where a rule is to be broken. */
  readonly #givenState: StateStore;
  readonly #givenResults: ResultStore;
  readonly #breakExchange: (exchange: Exchange) => Exchange;
  readonly #bucket: Bucket;
  readonly #letters: DeadLetter[];
  readonly #lookups: LookupWatch;
  /** When each task began. */
  readonly #begunMs = new WeakMap<Task, number>();
  readonly #seenFinal: Map<string, string>;
  readonly #network: Network;
  /** The streams of the views that go to one. */
  readonly #rowStreams: ReadonlyMap<string, SimStream>;
  readonly #rowNetworks: ReadonlyMap<string, Network>;
  readonly #archive: Archive;
  readonly #live = new Set<Task>();
  /**
   * Rule 6 takes a lone record for poison when its process died `attemptsMax` times between two notes about it. Nothing can tell such a
   * death from another, so the world lets one less happen there.
   */
  readonly #lone = new WeakMap<Task, string>();
  readonly #loneFaults = new Map<string, number>();
  readonly #workers = new Map<Task, RunningWorker>();
  readonly #hasWorker: boolean;
  /** Of the hosts that begin now. */
  #pipeline: Pipeline;
  #logEnds: readonly (readonly [slot: number, end: string | undefined])[] | undefined;
  #nextAction = 0;
  readonly #before: Before | undefined;
  /** Nothing is done before the savepoint is taken. */
  #saving: Move | undefined;
  #saved: Saved | undefined;
  #taskCount = 0;
  #promised = false;
  /** The invocations in which a callback that never returns was called. */
  readonly #struck = new Set<Task>();
  readonly #invocation = new AsyncLocalStorage<Task>();
  /** All is done, and the workers were asked to stop. */
  #isEnding = false;
  #stopped = false;

  constructor(scenario: Scenario, replay: Replay, before?: Before) {
    this.#scenario = scenario;
    this.#replay = replay;
    this.#before = before;
    this.#nextAction = before?.nextAction ?? 0;
    this.#faults = before?.faults ?? new Map();
    this.#faultCount = before?.faultCount ?? 0;
    this.#history = before?.history ?? [];
    this.#results = before?.results ?? createMemoryResultStore();
    this.#letters = before?.letters ?? [];
    this.#seenFinal = before?.seenFinal ?? new Map();
    this.#withoutFaults = replay.withoutFaults ?? new Set();
    this.#withHistory = replay.withHistory ?? false;
    this.#chance = createRandom(scenario.seed, 'world');
    this.#faultChance = createRandom(scenario.seed, 'faults');
    const flawChance = createRandom(scenario.seed, 'flaws');
    this.#scheduler = new Scheduler(createRandom(scenario.seed, 'schedule'), {
      startMs,
      stepMsMax: scenario.stepMsMax,
    });
    if (before !== undefined) this.#scheduler.nowMs = before.nowMs;
    this.#scheduler.fault = (task, call) => this.#callFault(task, call);
    this.#scheduler.failure = (call) => new MillraceError('STORE_UNAVAILABLE', `${call} was not answered.`);
    this.#scheduler.onCrash = (task) => this.#end(task);
    this.#scheduler.onZombie = (task) => this.#abandon(task);
    if (this.#withHistory) this.#scheduler.trace = (line) => this.#note(line());
    killer.strike = () => {
      const task = this.#invocation.getStore();
      if (task !== undefined) this.#struck.add(task);
    };
    const { sim } = scenario;
    this.#pipeline = sim.earlier ?? sim.pipeline;
    this.#lookups = new LookupWatch(sim.pipeline, (complaint) => this.#complaints.push(complaint), before?.lookups);
    const stream = (name: string, shardCount: number): SimStream =>
      scenario.onModel
        ? new ModelStream(name, shardCount, this.#kinesis)
        : new LooseStream(name, shardCount, createRandom(scenario.seed, name));
    this.#rawStreams =
      before?.rawStreams ?? new Map(sim.sources.map((source) => [source, stream(source, scenario.rawShards)]));
    this.#exchange = before?.network?.exchange ?? stream(exchangeName, scenario.exchangeShards);
    const network = (into: SimStream, kept?: Network): Network =>
      new Network({
        exchange: into,
        ...(kept && { delayed: kept.delayed }),
        now: () => this.#scheduler.nowMs,
        isFault: (kind) => this.#isFault(kind),
      });
    this.#network = network(this.#exchange, before?.network);
    this.#rowStreams = before?.rowStreams ?? new Map(rowStreamsOf(sim).map(([view, name]) => [view, stream(name, 1)]));
    this.#rowNetworks = new Map([...this.#rowStreams].map(([view, rows]) => [view, network(rows)]));
    this.#archive = before?.archive ?? new Archive((complaint) => this.#complaints.push(complaint));
    this.#bucket = new Bucket({
      state: this.#state,
      random: createRandom(scenario.seed, 'bucket'),
      isFault: (kind) => this.#isFault(kind),
      complain: (complaint) => this.#complaints.push(complaint),
    });
    const watch = new ResultWatch(this.#results, stepsOfWholeLife(sim), (complaint) =>
      this.#complaints.push(complaint),
    );
    const { flaws = {} } = replay;
    this.#givenState = flaws.state?.(this.#state, flawChance) ?? this.#state;
    this.#givenResults = watch.over(flaws.results?.(this.#results, flawChance) ?? this.#results);
    this.#breakExchange = (exchange) => flaws.exchange?.(exchange, flawChance) ?? exchange;
    this.#hasWorker = stepsOf(sim.pipeline.plan, 'fargate').length > 0;
    const hasLambda = stepsOf(sim.pipeline.plan, 'lambda').length > 0;
    this.#mappings = [
      ...[...this.#rawStreams.values()].map((stream) => this.#rawMapping(stream, flaws.rawMapping)),
      ...(hasLambda ? [this.#exchangeMapping(flaws.exchangeMapping)] : []),
    ];
  }

  async run(): Promise<WorldEnd> {
    await this.#restore();
    let stepsLeft = Number.POSITIVE_INFINITY;
    const isChained = feedingStepsOf(this.#scenario.sim.pipeline.plan).length > 0;
    const isEnriched = lookupTablesOf(this.#scenario.sim.pipeline.plan).length > 0;
    const most = isChained ? stepsMaxChained : stepsMax;
    while (!this.#stopped && stepsLeft > 0 && this.#scheduler.steps < most && this.#complaints.length === 0) {
      const more = await this.#scheduler.step(this.#choices());
      if (!more && (await this.#advancePhase())) break;
      if (this.#saved === undefined) continue;
      // What a deployment does behind its savepoint is done again.
      if (stepsLeft === Number.POSITIVE_INFINITY)
        // But for what it looks up: that is found anew, so it must have stopped.
        stepsLeft = this.#saved.move.isDrained || isEnriched ? 0 : this.#chance.below(200);
      stepsLeft -= 1;
    }
    if (this.#saved !== undefined && this.#complaints.length === 0) return this.#moveOn(this.#saved);
    const finished = this.#stopped;
    for (let slot = 0; slot < this.#scenario.sim.pipeline.plan.slots; slot += 1) await this.#bucket.check(slot);
    return {
      scenario: this.#scenario,
      finished,
      complaints: this.#complaints,
      rawStreams: this.#rawStreams,
      exchange: this.#exchange,
      rowStreams: this.#rowStreams,
      files: this.#archive.files,
      letters: this.#letters,
      notes: this.#notes,
      seenFinal: this.#seenFinal,
      state: this.#state,
      results: this.#results,
      faults: this.#faults,
      faultCount: this.#faultCount,
      steps: this.#scheduler.steps,
      history: this.#history,
    };
  }

  #choices(): readonly Choice[] {
    const { actions, haste } = this.#scenario;
    const choices: Choice[] = this.#mappings.flatMap((mapping) => mapping.choices());
    const isOver = this.#nextAction >= actions.length;
    if (!isOver && this.#saving === undefined)
      choices.push({ weight: haste, act: () => this.#act(actions[this.#nextAction++] as Action) });
    for (const task of this.#live) {
      if (task.state === 'parked') choices.push({ weight: isOver ? 0.5 : 0.05, act: () => this.#wake(task) });
    }
    for (const network of this.#networks())
      if (network.hasDelayed) choices.push({ weight: isOver ? 1 : 0.2, act: () => this.#land(network) });
    choices.push(...this.#workerChoices());
    // As always: rows that wait for their file go by the slots' clocks.
    if (this.#saving?.isDrained) choices.push({ weight: 0.02, act: () => this.#tick() });
    choices.push({
      weight: isOver || this.#saving !== undefined ? this.#scenario.polls / 10 : this.#scenario.polls,
      act: () => this.#poll(),
    });
    // Only sleepers are left, and the worker always is one: time to see whether all is done.
    if (isOver && this.#isDrained()) choices.push({ weight: 3, act: () => void this.#advancePhase() });
    return choices;
  }

  /** All records have gone as far as the exchange's readers on Lambda. */
  #isDrained(): boolean {
    if (this.#nextAction < this.#scenario.actions.length) return false;
    if (this.#networks().some((network) => network.hasDelayed)) return false;
    for (const task of this.#live) if (!this.#workers.has(task) || task.state === 'parked') return false;
    return this.#mappings.every((mapping) => mapping.isIdle);
  }

  /** Closes every window. */
  get #lastMs(): number {
    const isEndless = stepsOf(this.#pipeline.plan).some(
      (step) => step.op === 'aggregate' && (step.window.kind === 'global' || step.window.kind === 'count'),
    );
    return isEndless ? endOfStreamMs : farFutureMs;
  }

  /** When all is drained: the promises that close every window, then the end. True when it was the end. */
  async #advancePhase(): Promise<boolean> {
    if (!this.#isDrained()) return false;
    if (!this.#promised) {
      this.#promised = true;
      if (this.#pipeline !== this.#scenario.sim.pipeline) this.#deploy();
      for (const stream of this.#rawStreams.values()) {
        for (const shard of stream.openShards) this.#promise(stream, shard, this.#lastMs);
      }
      return false;
    }
    // What the workers still put when they are asked to stop, slots have heard before.
    if (this.#hasWorker && !this.#isEnding && !(await this.#workerHasCaughtUp())) return false;
    if (!this.#isEnding) for (const { worker } of this.#workers.values()) void worker.stop().catch(() => undefined);
    this.#isEnding = true;
    if (this.#workers.size === 0) this.#stopped = true;
    return this.#stopped;
  }

  /** What the service that keeps the workers running may do: start one, ask one to leave, and replace one that shows no sign of life. */
  #workerChoices(): readonly Choice[] {
    if (!this.#hasWorker || this.#stopped) return [];
    const choices: Choice[] = [];
    const running = [...this.#workers].filter(([task]) => task.state === 'running');
    for (const [task, { clock, aliveMs }] of running) {
      // One that waits for nothing will be silent for ever, and time may stand still by then.
      const silentMs = this.#scheduler.waits(task) ? clock.now() - aliveMs : Number.POSITIVE_INFINITY;
      if (silentMs > this.#scenario.leasePeriodMs * silentPeriodsMax)
        choices.push({ weight: 1, act: () => this.#scheduler.kill(task) });
    }
    if (this.#isEnding) return choices;
    if (running.length < this.#scenario.workers) choices.push({ weight: 1, act: () => this.#startWorker() });
    else if (running.length === this.#scenario.workers && this.#faultPossible('worker-joins'))
      choices.push({ weight: 0.1, act: () => (this.#isFault('worker-joins') ? this.#startWorker() : undefined) });
    const leaver = this.#chance.pick([undefined, ...running]);
    if (leaver !== undefined && this.#faultPossible('worker-leaves')) {
      const [task, { worker }] = leaver;
      choices.push({
        weight: 0.05,
        act: () => {
          if (!this.#isFault('worker-leaves')) return;
          this.#note(`${task.name} is asked to leave`);
          worker.stop().catch(() => undefined);
        },
      });
    }
    return choices;
  }

  /** The snapshot of every slot stands at the last block of its log or behind it, and every step's rows have all come through. */
  async #workerHasCaughtUp(): Promise<boolean> {
    const { plan } = this.#scenario.sim.pipeline;
    for (const [slot, last] of this.#lastPositions()) {
      if (last === undefined) continue;
      const checkpoint = await this.#state.readCheckpoint('window', slot);
      if (checkpoint === undefined || checkpoint.position < last) return false;
      for (const { id } of feedingStepsOf(plan)) {
        const watermarkMs = checkpoint.sources[id]?.watermarkMs ?? Number.NEGATIVE_INFINITY;
        if (watermarkMs < this.#lastMs - pipelineSpanMs) return false;
      }
    }
    return true;
  }

  /** By slot the last block of its log. Where no rows are put on the exchange again, nothing is put any more, and they stay. */
  #lastPositions(): readonly (readonly [slot: number, end: string | undefined])[] {
    const { plan } = this.#scenario.sim.pipeline;
    const isChained = feedingStepsOf(plan).length > 0;
    const ends =
      (isChained ? undefined : this.#logEnds) ??
      [...logsOf(this.#exchange, plan.slots, this.#before && generationOfRestore(this.#before.manifest))].map(
        ([slot, log]) =>
          [
            slot,
            // A deployment of other slots may have put blocks on it too.
            log.findLast(({ record, position }) => decodeBlock(record.bytes, position).slots === plan.slots)?.position,
          ] as const,
      );
    this.#logEnds = ends;
    return ends;
  }

  #act(action: Action): void {
    if (this.#withHistory) this.#note(describe(action));
    switch (action.kind) {
      case 'put': {
        const stream = this.#rawStreams.get(action.source) as SimStream;
        const hashKey = (2n ** 128n * BigInt(action.at)) / 1_000_000n;
        const bytes = typeof action.data === 'string' ? encoder.encode(action.data) : action.data;
        stream.put(hashKey, { partitionKey: 'p', bytes, arrivalMs: this.#scheduler.nowMs });
        return;
      }
      case 'promise': {
        const stream = this.#rawStreams.get(action.source) as SimStream;
        this.#promise(
          stream,
          stream.openShards[action.shard % stream.openShards.length] as SimShard,
          action.watermarkMs,
        );
        return;
      }
      case 'reshard': {
        const streams = [this.#exchange, ...this.#rowStreams.values(), ...this.#rawStreams.values()];
        const stream = streams.find(({ name }) => name === action.stream) as SimStream;
        const shard = stream.openShards[action.shard % stream.openShards.length] as SimShard;
        const kind = stream === this.#exchange ? 'exchange' : this.#rawStreams.has(stream.name) ? 'raw' : 'rows';
        this.#count(`${action.op}-${kind}`);
        stream[action.op](shard);
        return;
      }
      case 'tick':
        this.#tick();
        return;
      case 'deploy':
        this.#deploy();
        return;
      case 'savepoint':
        void this.#takeSavepoint(action.move);
        return;
      case 'wait':
        this.#scheduler.nowMs += action.ms;
        return;
      case 'item':
        this.#lookups.put(action.key, action.item, this.#scheduler.nowMs);
        return;
    }
  }

  get #notes(): readonly SeenNote[] {
    const { notes = [], manifest } = this.#before ?? {};
    return [...upTo(notes, manifest?.origins ?? []), ...this.#lookups.notes];
  }

  #promise(stream: SimStream, shard: SimShard, watermarkMs: number): void {
    const bytes = encoder.encode(JSON.stringify({ watermark: watermarkMs }));
    stream.putInto(shard, { partitionKey: watermarkPartitionKey, bytes, arrivalMs: this.#scheduler.nowMs });
  }

  #rawMapping(stream: SimStream, flaws: MappingFlaws | undefined): Mapping {
    const { outputsPerChunkMax, blockBytesMax, noteCharsMax, keysPerRead } = this.#scenario;
    const idle: Host<ReturnType<typeof createPreprocess>>[] = [];
    return this.#mapping(stream, flaws, `preprocess ${stream.name}`, idle, (host) =>
      createPreprocess({
        pipeline: this.#pipeline,
        source: stream.name,
        exchange: this.#exchangePort(host),
        directory: directoryPort(stream, this.#callOf(host)),
        state: storePort(
          this.#lookups.over(
            this.#givenState,
            () => this.#begunMs.get(host.task) ?? startMs,
            () => this.#scheduler.nowMs,
          ),
          this.#callOf(host),
        ),
        deadLetters: this.#lettersPort(host),
        lookupTables: storePort({ read: this.#lookups.tables.read }, this.#callOf(host)),
        clock: this.#clockPort(host),
        telemetry,
        limits: { outputsPerChunkMax, blockBytesMax },
        lookupLimits: { noteCharsMax, keysPerRead },
      }),
    );
  }

  #exchangeMapping(flaws: MappingFlaws | undefined): Mapping {
    const idle: Host<ReturnType<typeof createAggregate>>[] = [];
    return this.#mapping(this.#exchange, flaws, 'aggregate', idle, (host) =>
      createAggregate({
        pipeline: this.#pipeline,
        state: storePort(this.#givenState, this.#callOf(host)),
        results: storePort(this.#givenResults, this.#callOf(host)),
        deadLetters: this.#lettersPort(host),
        directory: directoryPort(this.#exchange, this.#callOf(host)),
        clock: this.#clockPort(host),
        telemetry,
      }),
    );
  }

  #mapping<
    Handler extends { process: (batch: { shardId: string; records: readonly SimRecord[] }) => Promise<unknown> },
  >(
    stream: SimStream,
    flaws: MappingFlaws | undefined,
    name: string,
    idle: Host<Handler>[],
    create: (host: { task: Task }) => Handler,
  ): Mapping {
    const invoke = (shardId: string, records: readonly SimRecord[], done: (end: InvocationEnd) => void): Task => {
      const task = this.#newTask(`${name} ${shardId}`);
      if (records.length === 1) this.#lone.set(task, `${shardId} ${records[0]?.sequence}`);
      this.#note(`deliver to ${task.name}: ${records.map((record) => record.sequence).join(' ')}`);
      const warm = idle.pop();
      const host = warm?.pipeline === this.#pipeline ? warm : this.#newHost(task, create);
      host.task = task;
      const outcome = this.#invocation.run(task, () => host.handler.process({ shardId, records }));
      outcome.then(
        (response) => {
          const isOurs = task.state === 'running';
          this.#note(`${task.name} ends${isOurs ? '' : ', too late'}`);
          this.#finish(task);
          idle.push(host);
          const { failedFrom } = (response ?? {}) as { readonly failedFrom?: string };
          done(failedFrom === undefined ? { kind: 'ok' } : { kind: 'ok', failedFrom });
        },
        (error: unknown) => {
          this.#note(`${task.name} fails: ${String(error)}`);
          this.#complainOfBug(error, host.pipeline);
          this.#finish(task);
          idle.push(host);
          done({ kind: 'failed' });
        },
      );
      return task;
    };
    const options = {
      stream,
      random: createRandom(this.#scenario.seed, `mapping ${stream.name}`),
      batchRecordsMax: this.#scenario.batchRecordsMax,
      invoke,
      faults: (kind: MappingFault) => this.#isFault(kind),
    };
    if (!this.#scenario.onModel) return new SimMapping({ ...options, ...(flaws === undefined ? {} : { flaws }) });
    const task: Task = { name: `mapping of ${stream.name}`, state: 'running' };
    return new DriverMapping({ ...options, kinesis: this.#kinesis, clock: this.#clockPort({ task }) });
  }

  #newHost<Handler>(task: Task, create: (host: { task: Task }) => Handler): Host<Handler> {
    const cell = { task, pipeline: this.#pipeline };
    const handler = create(cell);
    return Object.assign(cell, { handler });
  }

  #startWorker(): void {
    const { checkpointEveryMs, snapshotLimits, overflowLimits, leasePeriodMs, skewMsMax, driftMax } = this.#scenario;
    const { outputsPerChunkMax, blockBytesMax, heartbeatEveryMs, keysAtOnceMax } = this.#scenario;
    const task = this.#newTask('worker');
    const pipeline = this.#pipeline;
    const host = { task };
    const clock = this.#skewed(this.#clockPort(host), skewMsMax, driftMax);
    const running: RunningWorker = {
      worker: createWorker({
        pipeline: this.#pipeline,
        worker: task.name,
        exchange: this.#exchangePort(host),
        leases: storePort(this.#leases, this.#callOf(host)),
        reader: readerPort(
          this.#exchange,
          () => this.#chance.between(1, this.#scenario.batchRecordsMax),
          this.#callOf(host),
        ),
        state: storePort(this.#givenState, this.#callOf(host)),
        results: storePort(this.#givenResults, this.#callOf(host)),
        blobs: this.#bucket.port(this.#callOf(host), () => this.#scheduler.kill(host.task)),
        archive: this.#archive.port(this.#callOf(host)),
        rowStreams: new Map([...this.#rowNetworks].map(([view, network]) => [view, this.#streamPort(host, network)])),
        deadLetters: this.#lettersPort(host),
        clock,
        telemetry,
        checkpointEveryMs,
        snapshotLimits,
        // A row may name all records there are.
        chunkLimits: { outputsPerChunkMax, blockBytesMax: Math.max(blockBytesMax, rowBytesMax) },
        heartbeatEveryMs,
        keysAtOnceMax,
        ...(overflowLimits && { overflow: { store: createMemoryRunStore(), ...overflowLimits } }),
        leasePeriodMs,
        onAlive: () => {
          running.aliveMs = clock.now();
        },
      }),
      clock,
      aliveMs: clock.now(),
    };
    this.#workers.set(task, running);
    this.#note(`${task.name} starts`);
    running.worker.run().then(
      () => {
        this.#note(`${task.name} stops`);
        this.#finish(task);
      },
      (error: unknown) => {
        this.#note(`${task.name} fails: ${String(error)}`);
        this.#complainOfBug(error, pipeline);
        this.#finish(task);
      },
    );
  }

  /** The plan takes the place of the one before: hosts that begin from now on have it, and workers are asked to leave. */
  #deploy(): void {
    this.#pipeline = this.#scenario.sim.pipeline;
    for (const { worker } of this.#workers.values()) void worker.stop().catch(() => undefined);
  }

  async #takeSavepoint(move: Move): Promise<void> {
    this.#saving = move;
    const host = { task: this.#newTask('savepoint') };
    const from = {
      pipeline: this.#pipeline,
      state: storePort(this.#state, this.#callOf(host)),
      blobs: this.#hasWorker ? this.#bucket.plain() : undefined,
      rawStreams: rawStreamsOf(this.#rawStreams),
      clock: this.#clockPort(host),
      telemetry,
    };
    const store = createMemoryBlobStore();
    try {
      const drainMsMax = move.isDrained ? this.#lastMs : undefined;
      this.#saved = {
        move,
        store,
        manifest: await createSavepoint(from, store, { id: `before-${this.#nextAction}`, drainMsMax }),
      };
      this.#count('savepoint');
    } catch (error) {
      // There is no state yet, or a batch does not come to its end: the deployment simply goes on.
      this.#note(`no savepoint: ${String(error)}`);
      if (!hasCode(error, 'SAVEPOINT_REFUSED')) this.#complainOfBug(error);
    }
    this.#saving = undefined;
    this.#finish(host.task);
  }

  /** The deployment is gone with its state, and perhaps with its exchange; another one goes on from the savepoint. */
  #moveOn({ move, store, manifest }: Saved): Promise<WorldEnd> {
    const sim = movedSim(this.#scenario.sim, move) ?? this.#scenario.sim;
    const before: Before = {
      store,
      manifest,
      rawStreams: this.#rawStreams,
      network: move.keepsExchange ? this.#network : undefined,
      results: this.#results,
      rowStreams: this.#rowStreams,
      archive: this.#archive,
      letters: this.#letters,
      lookups: this.#lookups,
      notes: this.#notes,
      seenFinal: this.#seenFinal,
      faults: this.#faults,
      faultCount: this.#faultCount,
      history: this.#history,
      nextAction: this.#nextAction,
      nowMs: this.#scheduler.nowMs,
    };
    this.#note(`a new deployment of ${sim.pipeline.plan.slots} slots goes on from the savepoint`);
    return new World({ ...this.#scenario, sim }, this.#replay, before).run();
  }

  async #restore(): Promise<void> {
    if (this.#before === undefined) return;
    const target = {
      pipeline: this.#pipeline,
      state: this.#state,
      results: this.#givenResults,
      blobs: this.#hasWorker ? this.#bucket.plain() : undefined,
      rawStreams: rawStreamsOf(this.#rawStreams),
    };
    try {
      await restoreSavepoint(target, this.#before.store, this.#before.manifest);
    } catch (error) {
      this.#complaints.push(`the savepoint cannot be restored: ${String(error)}`);
    }
  }

  #tick(): void {
    const host = { task: this.#newTask('tick') };
    const pipeline = this.#pipeline;
    const { tick } = createTick({
      pipeline,
      exchange: this.#exchangePort(host),
      clock: this.#clockPort(host),
      telemetry,
    });
    tick().then(
      () => this.#finish(host.task),
      () => this.#finish(host.task),
    );
  }

  /** Rule 16: what a reader is shown as final stays. */
  #poll(): void {
    const pipeline = this.#pipeline;
    const host = { task: this.#newTask('reader') };
    const reader = createReader({
      pipeline,
      state: storePort(this.#givenState, this.#callOf(host)),
      results: storePort(this.#givenResults, this.#callOf(host)),
    });
    const view = this.#chance.pick(viewsOf(pipeline.plan));
    reader.rows({ view, fromMs: 0, toMs: this.#lastMs }).then(
      (rows) => {
        this.#finish(host.task);
        for (const row of rows) if (row.final) this.#see(row);
      },
      (error: unknown) => {
        this.#complainOfBug(error);
        this.#finish(host.task);
      },
    );
  }

  #see(row: PrintedRow): void {
    const name = nameOfRow(row);
    const text = JSON.stringify(row);
    const before = this.#seenFinal.get(name);
    if (before !== undefined && before !== text)
      this.#complaints.push(`a reader saw a final row change: ${before} became ${text}`);
    this.#seenFinal.set(name, text);
  }

  #newTask(name: string): Task {
    this.#taskCount += 1;
    const task: Task = { name: `${name} (${this.#taskCount})`, state: 'running' };
    this.#begunMs.set(task, this.#scheduler.nowMs);
    this.#live.add(task);
    return task;
  }

  #finish(task: Task): void {
    task.state = 'done';
    this.#live.delete(task);
    this.#workers.delete(task);
  }

  /** The process died: nobody will answer, and the batch is somebody else's. */
  #end(task: Task): void {
    this.#live.delete(task);
    this.#workers.delete(task);
    for (const mapping of this.#mappings) mapping.abandon(task);
  }

  #abandon(task: Task): void {
    for (const mapping of this.#mappings) mapping.abandon(task);
  }

  #wake(task: Task): void {
    this.#note(`${task.name} wakes up`);
    task.state = 'running';
  }

  #networks(): readonly Network[] {
    return [this.#network, ...this.#rowNetworks.values()];
  }

  #land(network: Network): void {
    const slot = network.land(this.#chance);
    this.#note(`a delayed block of slot ${slot} lands`);
  }

  #call<T>(host: { readonly task: Task }, name: string, effect: () => T | Promise<T>): Promise<T> {
    if (this.#struck.delete(host.task)) {
      this.#count('poison');
      this.#note(`${host.task.name} is killed by a callback`);
      this.#scheduler.kill(host.task);
    }
    return this.#scheduler.call(host.task, name, effect);
  }

  /** The ports ask for the host's task at each call, since a warm host runs many. */
  #callOf(host: { readonly task: Task }): Call {
    return (name, effect) => this.#call(host, name, effect);
  }

  #exchangePort(host: { readonly task: Task }): Exchange {
    return this.#breakExchange(this.#streamPort(host, this.#network));
  }

  #streamPort(host: { readonly task: Task }, network: Network): Exchange {
    return {
      put: (entries) =>
        this.#call(host, `put ${entries.map((entry) => entry.slot).join(' ')}`, () => network.put(entries)),
    };
  }

  #lettersPort(host: { readonly task: Task }): DeadLetters {
    return { send: (letters) => this.#call(host, 'send letters', () => void this.#letters.push(...letters)) };
  }

  #clockPort(host: { readonly task: Task }): Clock {
    return { now: () => this.#scheduler.nowMs, sleep: (ms) => this.#scheduler.sleep(host.task, ms) };
  }

  /** A clock that is off by up to `skewMsMax`, and up to `driftMax` times as fast or as slow. */
  #skewed(clock: Clock, skewMsMax: number, driftMax: number): Clock {
    const skewMs = this.#chance.between(-skewMsMax, skewMsMax);
    const drift = driftMax ** (this.#chance.between(-100, 100) / 100);
    return {
      now: () => Math.floor(startMs + skewMs + (clock.now() - startMs) * drift),
      sleep: (ms) => clock.sleep(Math.ceil(ms / drift)),
    };
  }

  #callFault(task: Task, call: string): CallFault | undefined {
    if (/^(reader|tick|savepoint)/.test(task.name)) return undefined;
    const isWrite = /^(write|put|send|add|record|remove)/.test(call);
    // Whoever dies while reading has changed nothing since its last write, so that is tried less often.
    if (!isWrite && !this.#faultChance.chance(0.3)) return undefined;
    for (const kind of callFaults) {
      // A function that hangs is ended by its time limit, which is a crash.
      if (kind === 'hang' && !this.#workers.has(task)) continue;
      // A lookup comes between two notes too; and who sleeps, wherever that is, may wake up and try the record beside others.
      const isTry = kind === 'zombie' || /^(read|write)(Origin|Lookups)|^read $/.test(call);
      const lone = isTry ? this.#lone.get(task) : undefined;
      if (lone !== undefined && (this.#loneFaults.get(lone) ?? 0) >= attemptsMax - 1) continue;
      if (!this.#isFault(kind)) continue;
      if (lone !== undefined) this.#loneFaults.set(lone, (this.#loneFaults.get(lone) ?? 0) + 1);
      return kind;
    }
    return undefined;
  }

  #faultPossible(kind: FaultKind): boolean {
    return (this.#scenario.rates[kind] ?? 0) > 0 && this.#faultCount < this.#scenario.faultsMax;
  }

  #isFault(kind: FaultKind): boolean {
    if (!this.#faultPossible(kind) || !this.#faultChance.chance(this.#scenario.rates[kind] ?? 0)) return false;
    const number = this.#faultCount;
    this.#faultCount += 1;
    if (this.#withoutFaults.has(number)) return false;
    this.#count(kind);
    if (this.#withHistory) this.#note(`fault ${number}: ${kind}`);
    return true;
  }

  #count(kind: string): void {
    this.#faults.set(kind, (this.#faults.get(kind) ?? 0) + 1);
  }

  /** An assertion of the product, or of the language, is never the outside world's fault. */
  #complainOfBug(error: unknown, pipeline = this.#pipeline): void {
    if (error instanceof MillraceError && (error.retry || error.code === 'SNAPSHOT_FENCED')) return;
    // A host of the plan before meets what it does not know of, and stops: that is for the new hosts.
    if (pipeline !== this.#pipeline && hasCode(error, 'STATE_WOULD_BE_LOST')) return;
    this.#complaints.push(`a host stopped: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }

  #note(line: string): void {
    if (this.#withHistory) this.#history.push(`${String(this.#scheduler.nowMs - startMs).padStart(7)}  ${line}`);
  }
}

const encoder = new TextEncoder();
const callFaults = ['crash-before', 'crash-after', 'lost-response', 'refused', 'zombie', 'hang'] as const;
/** After so many lease periods without a sign of life a worker is replaced, as a container's health check has it. */
const silentPeriodsMax = 8;
const telemetry: Telemetry = { metric: () => undefined, log: () => undefined, flush: () => undefined };

function describe(action: Action): string {
  switch (action.kind) {
    case 'put':
      return `put into ${action.source} ${action.label}`;
    case 'promise':
      return `promise in ${action.source}: nothing before ${(action.watermarkMs - startMs) / 1_000}s`;
    case 'reshard':
      return `${action.op} a shard of ${action.stream}`;
    case 'tick':
    case 'deploy':
    case 'savepoint':
      return action.kind;
    case 'wait':
      return `wait ${action.ms} ms`;
    case 'item':
      return `the item of ${action.key} is ${JSON.stringify(action.item) ?? 'gone'}`;
  }
}
