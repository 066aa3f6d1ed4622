import { expect, test } from 'vitest';
import { columnsOf, runSql } from './run-sql.ts';

// What Flink's page of functions says of them; DuckDB has them under other names, or not at all.

const table = "CREATE TABLE r (s STRING, ts TIMESTAMP(3)) WITH ('connector' = 'kinesis');";

function resultOf(expression: string): unknown {
  const r = [{ s: 'naïve 😀 x', ts: '2024-02-29T12:34:56.789Z' }];
  return columnsOf(runSql(`${table} SELECT ${expression} AS value FROM r`, { r }))[0]?.['value'];
}

test.each([
  ['FLOOR(ts TO MINUTE)', '2024-02-29T12:34:00.000Z'],
  ['FLOOR(ts TO MONTH)', '2024-02-01T00:00:00.000Z'],
  ['CEIL(ts TO MINUTE)', '2024-02-29T12:35:00.000Z'],
  ['CEILING(ts TO YEAR)', '2025-01-01T00:00:00.000Z'],
  ["CEIL(TIMESTAMP '2024-02-29 12:00:00' TO HOUR)", '2024-02-29T12:00:00.000Z'],
  ['FLOOR(-2.5)', -3],
  ['TRUNCATE(42.324, 2)', 42.32],
  ['TRUNC(-42.328, 2)', -42.32],
  ['TRUNC(0.3, 1)', 0.3],
  ['TRUNC(1.005, 2)', 1],
  ['TRUNC(-1987, -2)', -1900],
  ['TRUNC(-0.001, 2)', 0],
  ['TRUNC(1e-7, 3)', 0],
  ['TRUNC(1.25e21, 2)', 1.25e21],
  ['TRUNCATE(42.9)', 42],
  ["INITCAP('hello wORLD, élan 2nd')", 'Hello World, Élan 2nd'],
  ["INSTR('hello', 'l')", 3],
  ["INSTR(s, 'x')", 9],
  ["LOCATE('l', 'hello')", 3],
  ["LOCATE('l', 'hello', 4)", 4],
  ["LOCATE('x', s, 8)", 9],
  ["LOCATE('l', 'hello', 0)", 0],
  ["SPLIT_INDEX('a,b,c', ',', 1)", 'b'],
  ["SPLIT_INDEX('a,b,c', ',', 3)", null],
  ["SPLIT_INDEX('a,b,c', ',', -1)", null],
  ["OVERLAY('xxxxxtest' PLACING 'xxxx' FROM 6)", 'xxxxxxxxx'],
  ["OVERLAY('xxxxxtest' PLACING 'xxxx' FROM 6 FOR 2)", 'xxxxxxxxxst'],
  ["OVERLAY(s PLACING ':)' FROM 7 FOR 1)", 'naïve :) x'],
  ["ASCII('abc')", 97],
  ['CHR(97)', 'a'],
  ["LPAD('hi', 4)", '  hi'],
  ["RPAD('hi', 4) || '.'", 'hi  .'],
  ["REGEXP('abc', 'b')", true],
  ["REGEXP_REPLACE('foobar', 'oo|ar', '', 'g')", 'fb'],
  ["WEEK(DATE '1994-09-27')", 39],
  ["DAYOFYEAR(DATE '1994-09-27')", 270],
  ["DAY(DATE '1994-09-27')", 27],
  ['FROM_UNIXTIME(44)', '1970-01-01 00:00:44'],
  ["FROM_UNIXTIME(-1, 'yyyy/MM/dd')", '1969/12/31'],
  ['TO_TIMESTAMP(FROM_UNIXTIME(44))', '1970-01-01T00:00:44.000Z'],
  ["UNIX_TIMESTAMP('1970-01-01 08:00:01.001', 'yyyy-MM-dd HH:mm:ss.SSS')", 28_801],
  ['UNIX_TIMESTAMP(ts)', 1_709_210_096],
  ["UNIX_TIMESTAMP(s, 'yyyy')", null],
  ["TO_DATE('05.01.2020', 'dd.MM.yyyy')", '2020-01-05'],
  ['TO_DATE(s)', null],
  ['TO_TIMESTAMP_LTZ(1500, 0)', '1970-01-01T00:25:00.000Z'],
  ['TO_TIMESTAMP_LTZ(1500, 3)', '1970-01-01T00:00:01.500Z'],
  ['TO_TIMESTAMP_LTZ(1500000, 6)', '1970-01-01T00:00:01.500Z'],
  ['TO_TIMESTAMP_LTZ(1500000000, 9)', '1970-01-01T00:00:01.500Z'],
  ['ROUND(DEGREES(PI()), 9)', 180],
  ['RADIANS(180) = PI()', true],
  ['ATAN2(1, 1) = ATAN(1)', true],
  ['ASIN(2)', null],
])('%s', (expression, value) => {
  expect(resultOf(expression)).toEqual(value);
});
