import type { AggregatePlan } from '#shared/pipeline/plan.ts';
import { type CalendarWindow, type CountWindow, isAllTime } from '#shared/pipeline/window.ts';
import { inTimeSql, livesSql } from './places.ts';

/**
 * The query that puts each record of a step into its windows: all columns of the table, with the window's bounds in milliseconds as `ws` and
 * `we`. A record that comes late to a window is not in it.
 *
 * `w` is the watermark before the record, null where there is none yet; `life` tells sessions of one key apart that must not meet.
 */
export function windowedSql(table: string, { window, allowedLatenessMs }: AggregatePlan): string {
  const inTime = `(w IS NULL OR w < we + ${allowedLatenessMs})`;
  switch (window.kind) {
    case 'tumbling':
      return `SELECT * FROM (SELECT *, ${isAllTime(window) ? '0' : alignedDown('t', window.sizeMs)} AS ws, ws + ${window.sizeMs} AS we FROM ${table}) WHERE ${inTime}`;
    case 'sliding': {
      const { sizeMs, slideMs } = window;
      const last = alignedDown('t', slideMs);
      const starts = `unnest(generate_series(${last} - ${Math.ceil(sizeMs / slideMs) * slideMs}, ${last}, ${slideMs}))`;
      return `SELECT * FROM (SELECT *, ws + ${sizeMs} AS we FROM (SELECT *, ${starts} AS ws FROM ${table})) WHERE we > t AND ${inTime}`;
    }
    case 'cumulative': {
      const { sizeMs, stepMs } = window;
      const start = alignedDown('t', sizeMs);
      // Those whose end is behind the record.
      const ends = `unnest(generate_series(ws + ((t - ws) // ${stepMs} + 1) * ${stepMs}, ws + ${sizeMs}, ${stepMs}))`;
      return `SELECT * FROM (SELECT *, ${ends} AS we FROM (SELECT *, ${start} AS ws FROM ${table})) WHERE ${inTime}`;
    }
    case 'calendar':
      return `SELECT * FROM (${calendarSql(table, window)}) WHERE ${inTime}`;
    case 'session':
      if (window.maxLengthMs !== undefined)
        return cutSessionsSql(table, window.gapMs, window.maxLengthMs, allowedLatenessMs);
      return sessionsSql(table, window.gapMs);
    case 'count':
      return countedSql(table, window, allowedLatenessMs);
    case 'global':
      // Of a key that was given up the last life is what is seen.
      return `
        SELECT *, 0 AS ws, 0 AS we FROM (${livesSql(table, { allowedLatenessMs, ttlMs: window.ttlMs })})
        QUALIFY alone = max(alone) OVER (PARTITION BY history, key)`;
  }
}

/** What the clock on the wall showed, cut off, and what moment that was there. */
function calendarSql(table: string, { unit, timeZone, weekStart }: CalendarWindow): string {
  const zone = `'${timeZone.replaceAll("'", "''")}'`;
  const wall = `(make_timestamptz(t * 1000) AT TIME ZONE ${zone})`;
  // DuckDB's weeks begin on Mondays.
  const first =
    unit === 'week' && weekStart === 'sunday'
      ? `date_trunc('week', ${wall} + INTERVAL 1 DAY) - INTERVAL 1 DAY`
      : `date_trunc('${unit}', ${wall})`;
  // Where clocks are put back at midnight the wall shows it twice; a day begins with the first, and DuckDB gives the second.
  const earlier = (moment: string, local: string): string =>
    ['1 HOUR', '30 MINUTE'].reduceRight(
      (other, by) =>
        `CASE WHEN (${moment} - INTERVAL ${by}) AT TIME ZONE ${zone} = ${local} THEN ${moment} - INTERVAL ${by} ELSE ${other} END`,
      moment,
    );
  return `
    SELECT *, epoch_ms(${earlier('a', 'local')}) AS ws, epoch_ms(${earlier('b', 'next')}) AS we
    FROM (
      SELECT *, local AT TIME ZONE ${zone} AS a, next AT TIME ZONE ${zone} AS b
      FROM (SELECT *, (${first})::TIMESTAMP AS local, (local + INTERVAL 1 ${unit})::TIMESTAMP AS next FROM ${table})
    )`;
}

/** The largest multiple of `step` at or below `time`, before 1970 too. */
function alignedDown(time: string, step: number): string {
  return `${time} - ((${time} % ${step}) + ${step}) % ${step}`;
}

/** So many records of a key after one another, in the order of event time. */
function countedSql(table: string, { count, incomplete, ttlMs }: CountWindow, allowedLatenessMs: number): string {
  const window = 'PARTITION BY history, key, alone, number';
  return `
    SELECT * REPLACE (dense_rank() OVER (PARTITION BY history, key ORDER BY alone, number) AS life),
      min(t) OVER (${window}) AS ws, max(t) OVER (${window}) + 1 AS we
    FROM (
      SELECT *, (row_number() OVER (PARTITION BY history, key, alone ORDER BY t, tie, seq) - 1) // ${count} AS number
      FROM (${livesSql(table, { allowedLatenessMs, ttlMs })})
    ) ${incomplete === 'emit' ? '' : `QUALIFY count(*) OVER (${window}) = ${count}`}`;
}

/** A record more than the gap behind the one before it begins a session. Which records are late is in the table already. */
function sessionsSql(table: string, gapMs: number): string {
  const ofKey = 'PARTITION BY history, key, life';
  return `
    SELECT *, min(t) OVER session AS ws, max(t) OVER session + ${gapMs} AS we
    FROM (
      SELECT *, sum(begins::INT) OVER (${ofKey} ORDER BY t, seq) AS number
      FROM (
        SELECT *, coalesce(t - lag(t) OVER (${ofKey} ORDER BY t, seq) > ${gapMs}, true) AS begins
        FROM ${table} WHERE NOT late
      )
    ) WINDOW session AS (${ofKey}, number)`;
}

/** Where a session is cut depends on where the one before it was: record by record, each with the start of its session. */
function cutSessionsSql(table: string, gapMs: number, maxLengthMs: number, latenessMs: number): string {
  return `
    WITH RECURSIVE numbered AS (
      SELECT *, row_number() OVER (PARTITION BY history, key ORDER BY t, seq) AS number
      FROM ${table} WHERE ${inTimeSql(latenessMs)}
    ), walk AS (
      SELECT history, key, number, t, t AS ws FROM numbered WHERE number = 1
      UNION ALL
      SELECT later.history, later.key, later.number, later.t,
        CASE WHEN later.t > walk.t + ${gapMs} OR later.t >= walk.ws + ${maxLengthMs} THEN later.t ELSE walk.ws END
      FROM walk JOIN numbered later
        ON later.history = walk.history AND later.key = walk.key AND later.number = walk.number + 1
    )
    SELECT numbered.*, walk.ws,
      least(max(walk.t) OVER (PARTITION BY history, key, walk.ws) + ${gapMs}, walk.ws + ${maxLengthMs}) AS we
    FROM numbered JOIN walk USING (history, key, number)`;
}
