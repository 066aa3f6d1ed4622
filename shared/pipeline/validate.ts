import { isNamedBefore, reservedColumns } from '#shared/schemas/row.ts';
import { filePartition, rowFileFormats } from '#shared/schemas/row-file.ts';
import { checkAggregators, checkSelectors } from './check-callbacks.ts';
import { checkDerived } from './check-derived.ts';
import { columnOfPath, refusePath } from './derive.ts';
import { foreverMs, joinTimeColumns } from './join.ts';
import { checkName } from './names.ts';
import { overlapOf } from './placement.ts';
import type { Shown } from './plan.ts';
import { processTimeColumn } from './process.ts';
import { checkDuration, checkOneOf, invalid, shown } from './refuse.ts';
import { rankColumn, type TopDefinition } from './rows.ts';
import { changeColumn, type RunningDefinition } from './running.ts';
import type { SelectDefinition } from './select.ts';
import type { AggregateDefinition, JoinDefinition, ProcessDefinition, SourceNode, StepDefinition } from './stream.ts';
import { refuseThrottle } from './throttle.ts';
import { type CalendarWindow, type EarlyRows, isAligned, type SlidingWindow, sliceOf, windowKinds } from './window.ts';

export const slotsMax = 1_024;
export const expectedKeysMax = 100_000_000;
/** A raw stream that is waited for less would be given up while its readers merely retry. */
export const idleAfterMsMin = 60_000;
/** More overlapping windows than this are a mistake in the units more often than a wish. */
export const overlapMax = 10_000;
/**
 * A window looks at each of its slices whenever it gives rows. So many take a few milliseconds, and allow every slide of whole
 * seconds to windows of up to a day.
 */
export const slicesMax = 100_000;
/** Rows wait for their file in memory. */
const fileRowsMax = 1_000_000;
/** A window's ranked rows wait in one memory, and cross the exchange from each slot. */
export const topCountMax = 1_000;
const columnForm = /^[A-Za-z][A-Za-z0-9_]{0,62}$/;
const reserved: ReadonlySet<string> = new Set(reservedColumns.map((column) => column.toLowerCase()));

export function checkSource(pipeline: string, source: SourceNode, taken: boolean): void {
  const where = `${pipeline}: stream ${shown(source.name)}`;
  checkName(where, source.name);
  if (taken) throw invalid(where, 'has the name of another stream. Define it once and use it twice.');
  if (typeof source.schema?.['~standard']?.validate !== 'function')
    throw invalid(where, 'has no schema; give one of a library of Standard Schema, such as zod, or a record({ ... }).');
  if (source.decoders.length === 0)
    throw invalid(where, 'has no format to decode; leave decode out for JSON, or name at least one.');
  for (const decoder of source.decoders)
    if (typeof decoder?.format !== 'string')
      throw invalid(
        where,
        `decodes ${shown(decoder)}, which is no format; give some, such as json() or csv({ columns }).`,
      );
  checkDuration(where, 'outOfOrderness', source.outOfOrdernessMs, 0);
  if (source.idleAfterMs !== undefined) checkDuration(where, 'idleAfter', source.idleAfterMs, idleAfterMsMin);
  checkOneOf(where, 'whenSilent', source.whenSilent, ['hold', 'advance']);
  if (source.whenSilent === 'advance' && source.idleAfterMs === undefined)
    throw invalid(where, 'goes on when it is silent, and does not say after how long it is. Add idleAfter.');
}

/** Before its window is checked, which lacks the sinks that it has as an output. */
export function checkLateView(
  pipeline: string,
  { name, lateOf }: SelectDefinition,
  { steps, feeds }: { readonly steps: readonly StepDefinition[]; readonly feeds: (step: StepDefinition) => boolean },
): void {
  const step = steps.find((other) => other.name === lateOf?.name);
  if (step === undefined || step.sinks.length > 0 || feeds(step)) return;
  throw invalid(
    `${pipeline}: step ${name}`,
    `shows what ${step.name} finds late, which is no output of the pipeline. Add ${step.name} to the outputs.`,
  );
}

/** `feeds`: its rows are a stream again, which other steps read. */
export function checkStep(pipeline: string, step: StepDefinition, feeds: boolean): void {
  const where = `${pipeline}: step ${step.name}`;
  checkSinks(where, step);
  if (step.op === 'top') {
    checkTop(where, step);
    return;
  }
  if (step.op === 'select') {
    checkSelect(where, step);
    return;
  }
  if (step.op === 'running') {
    checkRunning(where, step);
    return;
  }
  checkDuration(where, 'allowedLateness', step.allowedLatenessMs, 0);
  if (step.op === 'join') checkJoin(where, step);
  else if (step.op === 'process') checkProcess(where, step);
  else checkAggregate(where, step);
  if (feeds && step.op === 'aggregate' && step.window.kind === 'count' && step.window.incomplete === 'emit')
    throw invalid(
      where,
      "emits incomplete windows long after their records, and is read by other steps, for which they would be late. Give countWindow incomplete: 'drop'.",
    );
  if (feeds && step.op === 'aggregate' && step.emit !== 'on-close')
    throw invalid(
      where,
      `emits ${step.emit}, and only rows that are final and never change may be a stream again. Give its window emit: 'on-close'.`,
    );
}

function checkTop(where: string, { input, count, by, derived, ties }: TopDefinition): void {
  const { step } = input;
  if (!Number.isInteger(count) || count < 1 || count > topCountMax)
    throw invalid(where, `ranks ${shown(count)} rows; it must be a whole number from 1 to ${topCountMax}.`);
  if (step.op !== 'aggregate' || !isAligned(step.window))
    throw invalid(
      where,
      `ranks the rows of ${step.name}, whose keys share no windows. Rank those of windows that begin and end for all keys together, such as tumbling ones.`,
    );
  if (!Object.hasOwn(step.aggregates, columnOfPath(by)) && !Object.hasOwn(derived, by))
    throw invalid(where, `ranks by column ${shown(by)}, which ${step.name} does not aggregate.`);
  const refusal = Object.hasOwn(derived, by) ? undefined : refusePath(by, step.aggregates);
  if (refusal !== undefined)
    throw invalid(where, `ranks by a number, and ${refusal}. Rank by a column of ${step.name} that is one.`);
  checkDerived(where, { aggregates: step.aggregates, derived, window: step.window });
  const columns = [...Object.keys(step.aggregates), ...Object.keys(derived)];
  for (const column of Object.keys(derived)) checkColumn(where, column);
  const duplicate = columns.find(isNamedBefore);
  if (duplicate !== undefined)
    throw invalid(where, `column ${duplicate} has the name of another column; the case does not count. Rename one.`);
  const added = ties === undefined ? rankColumn : ties.as;
  if (added === null) return;
  if (ties !== undefined) checkColumn(where, added);
  const column = columns.find((name) => name.toLowerCase() === added.toLowerCase());
  if (column !== undefined)
    throw invalid(where, `ranks rows that have a column ${column} already. Rename it in ${step.name}.`);
}

function checkRunning(where: string, { refreshMs, aggregates, derived, sinks }: RunningDefinition): void {
  checkDuration(where, 'refresh', refreshMs, 0);
  const columns = [...Object.keys(aggregates), ...Object.keys(derived)];
  if (Object.keys(aggregates).length === 0)
    throw invalid(where, 'aggregates no columns; name at least one, such as { count: count() }.');
  checkAggregators(where, aggregates);
  checkDerived(where, { aggregates, derived, sinks });
  // A row that is never final does not say so.
  for (const column of columns) if (column !== 'final') checkColumn(where, column);
  const duplicate = [changeColumn, ...columns].find(isNamedBefore);
  if (duplicate !== undefined) throw invalid(where, `column ${duplicate} has the name of another column; rename it.`);
  const other = sinks.find(({ kind }) => kind !== 'dynamodb');
  if (other !== undefined)
    throw invalid(
      where,
      `has a sink of kind ${other.kind}, which takes final rows, and its rows never are. Use dynamodb().`,
    );
}

function checkSelect(where: string, { columns, window }: SelectDefinition): void {
  const names = Object.keys(columns);
  if (names.length === 0) throw invalid(where, 'selects no columns; name at least one.');
  for (const column of names) checkColumn(where, column);
  checkSelectors(where, columns);
  if (window !== undefined) {
    if (window?.kind !== 'tumbling') throw invalid(where, 'shows its rows with windows that are not tumbling ones.');
    checkDuration(where, 'window size', window.sizeMs, 1);
  }
  const duplicate = names.find(isNamedBefore);
  if (duplicate !== undefined)
    throw invalid(where, `column ${duplicate} has the name of another column; the case does not count. Rename one.`);
}

function checkSinks(where: string, step: StepDefinition): void {
  const { sinks } = step;
  for (const [index, sink] of sinks.entries()) {
    checkOneOf(where, 'the kind of a sink', sink?.kind, ['dynamodb', 's3', 'kinesis']);
    if (sinks.findIndex(({ kind }) => kind === sink.kind) < index)
      throw invalid(where, `has two sinks of kind ${sink.kind}; a view goes to one of a kind. Leave one out.`);
    if (sink.kind === 'dynamodb') checkDuration(where, 'ttl', sink.ttlMs, 1_000);
    if (sink.kind !== 's3') continue;
    const partition = columnsOfStep(step).find((column) => column.toLowerCase() === filePartition);
    if (partition !== undefined)
      throw invalid(where, `has a column ${partition}, which is the name of the partition of its files. Rename it.`);
    checkDuration(where, 'every', sink.everyMs, 1_000);
    checkOneOf(where, 'the format of files', sink.format, rowFileFormats);
    if (!Number.isInteger(sink.rowsMax) || sink.rowsMax < 1 || sink.rowsMax > fileRowsMax)
      throw invalid(where, `rowsMax is ${shown(sink.rowsMax)}; it must be a whole number up to ${fileRowsMax}.`);
  }
}

function columnsOfStep(step: StepDefinition): readonly string[] {
  switch (step.op) {
    case 'aggregate':
    case 'running':
      return [...Object.keys(step.aggregates), ...Object.keys(step.derived)];
    case 'join':
      return [...Object.keys(step.left.columns), ...Object.keys(step.right.columns)];
    case 'process':
      return Object.keys(step.row);
    case 'top':
      return [...columnsOfStep(step.input.step), ...Object.keys(step.derived)];
    case 'select':
      return Object.keys(step.columns);
  }
}

function checkProcess(where: string, { does, row, ttlMs, duplicateColumn }: ProcessDefinition): void {
  const refusal = does.kind === 'throttle' ? refuseThrottle(does) : undefined;
  if (refusal !== undefined) throw invalid(where, refusal);
  if (does.kind === 'table-join') checkOneOf(where, 'kind', does.join, ['inner', 'left']);
  if (does.kind === 'dedupe') checkDuration(where, 'within', does.withinMs, 0);
  // Versions of a table may be kept until they are deleted, and no other state may.
  else if (ttlMs !== undefined || does.kind !== 'table-join') checkDuration(where, 'ttl of the state', ttlMs, 1);
  const added = duplicateColumn === undefined ? [processTimeColumn] : [processTimeColumn, duplicateColumn];
  for (const column of Object.keys(row)) checkColumn(where, column);
  const duplicate = [...added, ...Object.keys(row)].find(isNamedBefore);
  if (duplicate !== undefined) throw invalid(where, `column ${duplicate} is there twice; rename one.`);
  const wrong = Object.entries(row).find(
    ([, type]) => typeof type !== 'string' || !/^(string|number|boolean|json)\??$/.test(type),
  );
  if (wrong !== undefined)
    throw invalid(
      where,
      `column ${wrong[0]} is of type ${shown(wrong[1])}; use string, number, boolean or json, with ? where it may be null.`,
    );
}

function checkJoin(where: string, { kind, lowerMs, upperMs, left, right }: JoinDefinition): void {
  checkOneOf(where, 'kind', kind, ['inner', 'left', 'full']);
  checkDuration(where, 'the beginning of within', lowerMs, Number.MIN_SAFE_INTEGER);
  checkDuration(where, 'the end of within', upperMs, lowerMs);
  if (upperMs === foreverMs && kind !== 'inner')
    throw invalid(where, `is a ${kind} join of all records ever, and never knows that one stays alone. Make it inner.`);
  const columns = [...joinTimeColumns, ...Object.keys(left.columns), ...Object.keys(right.columns)];
  for (const column of columns) checkColumn(where, column);
  const duplicate = columns.find(isNamedBefore);
  if (duplicate !== undefined)
    throw invalid(where, `column ${duplicate} is there twice; the columns of both sides stand in one row. Rename one.`);
}

function checkAggregate(where: string, step: AggregateDefinition): void {
  checkOneOf(where, 'emit', step.emit, ['on-update', 'on-close']);
  if (step.placement !== undefined) checkOneOf(where, 'placement', step.placement, ['lambda', 'fargate']);
  checkDuration(where, 'refresh', step.refreshMs, 1);
  if (step.early !== undefined) checkEarly(where, step, step.early);
  const { window } = step;
  checkOneOf(where, 'the kind of a window', window.kind, windowKinds);
  switch (window.kind) {
    case 'tumbling':
      checkDuration(where, 'window size', window.sizeMs, 1);
      break;
    case 'sliding':
      checkDuration(where, 'window size', window.sizeMs, 1);
      checkDuration(where, 'slide', window.slideMs, 1);
      if (window.slideMs > window.sizeMs)
        throw invalid(
          where,
          `slides by ${window.slideMs} ms with a size of ${window.sizeMs} ms, so records between windows would be in none.`,
        );
      if (overlapOf(window) > overlapMax)
        throw invalid(where, `a record would be in ${overlapOf(window)} windows; at most ${overlapMax} are allowed.`);
      checkSlices(where, window);
      break;
    case 'cumulative':
      checkDuration(where, 'window size', window.sizeMs, 1);
      checkDuration(where, 'step', window.stepMs, 1);
      if (window.sizeMs % window.stepMs !== 0)
        throw invalid(
          where,
          `has cumulative windows of up to ${window.sizeMs} ms in steps of ${window.stepMs} ms, which do not divide it. Choose a step that does.`,
        );
      if (overlapOf(window) > overlapMax)
        throw invalid(where, `a record would be in ${overlapOf(window)} windows; at most ${overlapMax} are allowed.`);
      break;
    case 'calendar':
      checkCalendar(where, window);
      break;
    case 'count':
      checkCount(where, 'records of a window', window.count);
      checkOneOf(where, 'incomplete', window.incomplete, ['drop', 'emit']);
      if (window.ttlMs !== undefined) checkDuration(where, 'ttl of the window', window.ttlMs, 1);
      checkFinal(where, step, 'of which only the last record tells when it is whole');
      break;
    case 'global':
      if (window.everyRecords === undefined && window.everyMs === undefined && window.everyArrivalMs === undefined)
        throw invalid(
          where,
          'has a global window without a trigger. Give it everyRecords(n), everyTime(duration) or both.',
        );
      if (window.everyRecords !== undefined) checkCount(where, 'records of a trigger', window.everyRecords);
      for (const everyMs of [window.everyMs, window.everyArrivalMs])
        if (everyMs !== undefined) checkDuration(where, 'time of a trigger', everyMs, 1);
      if (window.ttlMs !== undefined) checkDuration(where, 'ttl of the window', window.ttlMs, 1);
      if (!step.sinks.some(({ kind }) => kind === 'dynamodb'))
        throw invalid(where, 'has rows that change, which only a table can take. Add dynamodb().');
      break;
    case 'session':
      checkDuration(where, 'gap', window.gapMs, 1);
      if (window.maxLengthMs !== undefined) checkDuration(where, 'maxLength', window.maxLengthMs, 1);
      if (step.emit !== 'on-close')
        throw invalid(where, `emits ${step.emit}, but a session's bounds change until it closes. Leave emit out.`);
      break;
  }
  checkColumns(where, step);
}

function checkCount(where: string, what: string, count: number): void {
  if (!Number.isSafeInteger(count) || count < 1)
    throw invalid(where, `${what} are ${shown(count)}; there must be a whole number of at least 1.`);
}

function checkFinal(where: string, { emit }: AggregateDefinition, why: string): void {
  if (emit !== 'on-close') throw invalid(where, `emits ${emit}, and has windows ${why}. Leave emit out.`);
}

function checkEarly(where: string, { emit, window, sinks }: AggregateDefinition, { everyMs, time }: EarlyRows): void {
  checkDuration(where, 'every of early', everyMs, 1);
  checkOneOf(where, 'time of early', time, ['event', 'arrival']);
  if (window.kind === 'global')
    throw invalid(where, 'shows early rows, but the row of a global window is shown by its triggers. Leave early out.');
  if (emit !== 'on-close')
    throw invalid(
      where,
      `emits ${emit}, which shows early rows at every refresh. Leave early out, or emit 'on-close'.`,
    );
  if (!sinks.some(({ kind }) => kind === 'dynamodb'))
    throw invalid(
      where,
      'shows early rows, which only a table can take: those of files and streams are final. Add dynamodb(), or leave early out.',
    );
}

function checkCalendar(where: string, { unit, timeZone, weekStart }: CalendarWindow): void {
  checkOneOf(where, 'the unit of a calendar window', unit, ['day', 'week', 'month']);
  if (weekStart !== undefined) checkOneOf(where, 'weekStart', weekStart, ['monday', 'sunday']);
  try {
    new Intl.DateTimeFormat('en', { timeZone: timeZone ?? '' });
  } catch {
    throw invalid(
      where,
      `has calendar windows in time zone ${JSON.stringify(timeZone)}, which is none; use a name of the IANA time zone database, such as 'Europe/Berlin' or 'UTC'.`,
    );
  }
}

function checkSlices(where: string, window: SlidingWindow): void {
  const sliceMs = sliceOf(window);
  const slices = window.sizeMs / sliceMs;
  if (slices > slicesMax) {
    throw invalid(
      where,
      `slides by ${window.slideMs} ms with a size of ${window.sizeMs} ms, which have no longer common divisor than ${sliceMs} ms, so a window would be ${slices} slices; at most ${slicesMax} are allowed. Choose a slide that divides the size, or give both in a unit of at least ${Math.ceil(window.sizeMs / slicesMax)} ms.`,
    );
  }
}

function checkColumns(where: string, step: AggregateDefinition): void {
  const columns = [...Object.keys(step.aggregates), ...Object.keys(step.derived)];
  if (Object.keys(step.aggregates).length === 0)
    throw invalid(where, 'aggregates no columns; name at least one, such as { count: count() }.');
  checkAggregators(where, step.aggregates);
  for (const column of columns) checkColumn(where, column);
  const duplicate = columns.find(isNamedBefore);
  if (duplicate !== undefined)
    throw invalid(where, `column ${duplicate} has the name of another column; the case does not count. Rename one.`);
  checkTotals(where, step);
  checkDerived(where, step);
}

function checkTotals(where: string, { projection, window, sinks }: AggregateDefinition & Shown): void {
  if (projection === undefined || projection.totals.length === 0) return;
  if (window.kind === 'session')
    throw invalid(where, 'shows totals of its windows, and sessions of different keys share none.');
  if (!sinks.some(({ kind }) => kind === 'dynamodb'))
    throw invalid(
      where,
      'shows totals over all keys, which are known when the table is read, and its rows go to none.',
    );
}

function checkColumn(where: string, column: string): void {
  if (typeof column !== 'string' || !columnForm.test(column))
    throw invalid(
      where,
      `column ${JSON.stringify(column)} is not a name of letters, digits and _ that begins with a letter.`,
    );
  if (reserved.has(column.toLowerCase()))
    throw invalid(where, `column ${column} is a name that every row has already.`);
}
