import { stepsOf, viewsOf } from '#shared/pipeline/plan.ts';
import { decodeBlock } from '#shared/runtime/block-codec.ts';
import { createReader } from '#shared/runtime/read.ts';
import { encodeKey } from '#shared/schemas/key.ts';
import { watermarkPartitionKey } from '#shared/schemas/punctuation.ts';
import type { PrintedRow } from '#shared/schemas/row.ts';
import { logOracle } from '#shared/testing/log-oracle.ts';
import {
  evaluate,
  type OracleRecord,
  type OracleRejection,
  type OracleResult,
  oracle,
  type Verdict,
} from '#shared/testing/oracle.ts';
import { logsOf } from './exchange-log.ts';
import { findIn } from './lookup-watch.ts';
import { stepsOfWholeLife } from './pipelines.ts';
import { nameOfRow } from './result-watch.ts';
import { checkSinks } from './sink-checks.ts';
import type { WorldEnd } from './world.ts';

/** What is wrong at the end of a seed; empty when it is exact. */
export async function check(end: WorldEnd): Promise<readonly string[]> {
  try {
    return await findWrong(end);
  } catch (error) {
    return [`the end cannot be checked: ${error instanceof Error ? error.message : String(error)}`];
  }
}

async function findWrong(end: WorldEnd): Promise<readonly string[]> {
  if (end.complaints.length > 0) return end.complaints;
  if (!end.finished) return [`it did not come to rest in ${end.steps} steps`];
  const { pipeline } = end.scenario.sim;
  const records = recordsOf(end);
  // Of two plans the outputs have positions of their own; there nothing is late.
  const verdict = end.scenario.sim.earlier === undefined && end.scenario.mayBeLate ? verdictOf(end) : noVerdict;
  const right = end.scenario.mayBeLate ? oracle(pipeline, records, verdict) : oracle(pipeline, records);
  const reader = createReader({ pipeline, state: end.state, results: end.results });
  const wrong: string[] = [];

  const rows = (
    await Promise.all(
      viewsOf(pipeline.plan).map((view) =>
        reader.rows({ view, fromMs: Number.MIN_SAFE_INTEGER, toMs: Number.MAX_SAFE_INTEGER }),
      ),
    )
  ).flat();
  const isWhole = stepsOfWholeLife(end.scenario.sim);
  compareRows(
    right.rows
      .filter(({ view }) => isWhole.has(view) && viewsOf(pipeline.plan).includes(view))
      .map((row) => JSON.stringify(row)),
    rows.filter(({ view }) => isWhole.has(view)).map((row) => JSON.stringify(row)),
    wrong,
  );
  for (const view of Object.keys(pipeline.outputs)) if (!isWhole.has(view)) checkNewView(view, rows, wrong);

  for (const view of viewsOf(pipeline.plan)) await checkTakenBack(end, view, wrong);

  const last = new Map(rows.map((row) => [nameOfRow(row), JSON.stringify(row)]));
  for (const [name, text] of end.seenFinal) {
    if (!isWhole.has((JSON.parse(text) as PrintedRow).view)) continue;
    if (last.get(name) !== text)
      wrong.push(`a reader was shown as final ${text}, and in the end it is ${last.get(name) ?? 'gone'}`);
  }

  const { sent, counted, filtered, late, rejected, steps } = await reader.counts();
  if (end.scenario.sim.earlier !== undefined) return wrong;
  const numbers = { sent, counted, filtered, late, rejected };
  if (JSON.stringify(numbers) !== JSON.stringify(right.numbers)) {
    wrong.push(`the numbers are ${JSON.stringify(numbers)} and should be ${JSON.stringify(right.numbers)}`);
  }
  if (sent !== counted + filtered + late + rejected)
    wrong.push(`sent ${sent} is not counted ${counted} + filtered ${filtered} + late ${late} + rejected ${rejected}`);

  const evaluation = evaluate(pipeline, records);
  for (const step of stepsOf(pipeline.plan)) {
    const lateIds = verdict.late.get(step.id) ?? new Set();
    const lateRows = [...lateIds].filter((id) => !records.some(({ source }) => id.startsWith(`${source}/`)));
    if (lateRows.length > 0)
      wrong.push(`step ${step.id} found ${lateRows.join(', ')} late, and rows of a step never are`);
    if (!end.scenario.mayBeLate && lateIds.size > 0)
      wrong.push(`step ${step.id} found ${[...lateIds].join(', ')} late, where nothing is`);
    if ((steps[step.id]?.late ?? 0) !== lateIds.size)
      wrong.push(`step ${step.id} counted ${steps[step.id]?.late ?? 0} late outputs, and the logs say ${lateIds.size}`);
  }
  for (const { id } of stepsOf(pipeline.plan)) {
    const [found, threw] = [steps[id]?.threw ?? 0, right.threw.get(id)?.length ?? 0];
    if (found !== threw) wrong.push(`callbacks of step ${id} threw ${found} times, and should have ${threw} times`);
  }
  checkLetters(end, [...evaluation.rejections, ...right.rejectedRows], verdict, right.threw, wrong);
  await checkSinks(end, right.rows, wrong);
  return wrong;
}

const noVerdict: Verdict = { late: new Map(), cells: new Map() };

/** Every window has closed. A reader would not show what is left, and the table does. */
async function checkTakenBack({ results }: WorldEnd, view: string, wrong: string[]): Promise<void> {
  const all = { fromMs: Number.MIN_SAFE_INTEGER, toMs: Number.MAX_SAFE_INTEGER, rowsMax: Number.MAX_SAFE_INTEGER };
  for (const row of await results.rowsOfView({ view, ...all }))
    if (row.provisional !== undefined) wrong.push(`a provisional row was not taken back: ${JSON.stringify(row)}`);
}

/** A step that a deploy has added begins somewhere; from there on it counts each record once. */
function checkNewView(view: string, rows: readonly PrintedRow[], wrong: string[]): void {
  const ofView = rows.filter((row) => row.view === view && typeof row['ids'] === 'string');
  for (const row of ofView) {
    const ids = String(row['ids']).split(',');
    if (new Set(ids).size < ids.length) wrong.push(`a record is counted twice in ${JSON.stringify(row)}`);
  }
}

function compareRows(right: readonly string[], found: readonly string[], wrong: string[]): void {
  const rightRows = new Set(right);
  const foundRows = new Set(found);
  for (const row of right) if (!foundRows.has(row)) wrong.push(`missing row ${row}`);
  for (const row of found) if (!rightRows.has(row)) wrong.push(`wrong row   ${row}`);
  if (wrong.length === 0 && right.join('\n') !== found.join('\n'))
    wrong.push('the rows are right, and in another order');
}

/** Every record that was late or rejected is in the dead letters, with its reason and position, and nothing else is. */
function checkLetters(
  end: WorldEnd,
  rejections: readonly OracleRejection[],
  verdict: Verdict,
  threw: OracleResult['threw'],
  wrong: string[],
): void {
  const right = new Set(rejections.map(({ id, reason }) => `${id} ${reason}`));
  const made = new Set(stepsOf(end.scenario.sim.pipeline.plan).map(({ id }) => id));
  const shown = stepsOf(end.scenario.sim.pipeline.plan).map((step) => (step.op === 'select' ? step.lateOf : undefined));
  for (const [step, ids] of verdict.late)
    if (!shown.includes(step)) for (const id of ids) right.add(`${id} late in ${step}`);
  for (const [step, ids] of threw) for (const id of ids) right.add(`${id} threw in ${step}`);
  const found = new Set(
    end.letters.flatMap(({ id, source, origin, sequence, sub, reason, steps, key, eventTimeMs }) => {
      const position = `${source}/${origin}/${sequence}/${sub}`;
      // The place of a row in the logs is not for the oracle to say.
      if (made.has(source) && reason !== 'late') return [`${source}/${encodeKey(key ?? {})}/${eventTimeMs} ${reason}`];
      // Behind the exchange a key is known.
      if (reason === 'threw' && key !== undefined)
        return [`${position}${id.endsWith(`/${eventTimeMs}`) ? ` at ${eventTimeMs}` : ''} threw in ${steps?.[0]}`];
      return reason === 'late' ? (steps ?? []).map((step) => `${position} late in ${step}`) : [`${position} ${reason}`];
    }),
  );
  for (const letter of right) if (!found.has(letter)) wrong.push(`no dead letter for ${letter}`);
  for (const letter of found) if (!right.has(letter)) wrong.push(`a dead letter for ${letter}, which is not so`);
}

function recordsOf(end: WorldEnd): readonly OracleRecord[] {
  // Whether a death was the record's own doing is not for the oracle to say; what follows from it is.
  const killed = new Set(
    end.letters
      .filter(({ message }) => message.startsWith('a callback killed the process'))
      .map(({ source, origin, sequence }) => `${source}/${origin}/${sequence}`),
  );
  const mayLack = end.scenario.sim.earlier !== undefined;
  return [...end.rawStreams].flatMap(([source, stream]) =>
    stream.shards.flatMap((shard) =>
      shard.records
        .filter((record) => record.partitionKey !== watermarkPartitionKey)
        .map((record) => ({
          source,
          origin: shard.shardId,
          sequence: record.sequence,
          data: record.bytes,
          findItem: findIn(end.notes, { source, shard: shard.shardId, sequence: record.sequence }, mayLack),
          killed: killed.has(`${source}/${shard.shardId}/${record.sequence}`),
        })),
    ),
  );
}

function verdictOf(end: WorldEnd): Verdict {
  const { pipeline } = end.scenario.sim;
  const logs = new Map(
    [...logsOf(end.exchange, pipeline.plan.slots)].map(([slot, log]) => [
      slot,
      log.map(({ record, position }) => ({ block: decodeBlock(record.bytes, position), arrivalMs: record.arrivalMs })),
    ]),
  );
  return logOracle(pipeline, logs);
}
