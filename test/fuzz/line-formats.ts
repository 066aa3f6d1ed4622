import { Buffer } from 'node:buffer';
import { combinedLog, commonLog, csv, json, jsonDocument, syslog, vpcFlowLog } from '#shared/pipeline/index.ts';
import type { FuzzFormat, Sample } from './decoders.ts';
import type { Draw } from './targets.ts';

const letters = 'abcxyz019 _.:/-"\\,é漢😀';

export function textOf(draw: Draw, most = 8): string {
  let text = '';
  for (let length = draw.below(most + 1); length > 0; length -= 1) text += draw.pick([...letters]);
  return text;
}

/** A text without blanks and quotes, at least a letter long. */
function wordOf(draw: Draw): string {
  return `w${textOf(draw).replace(/[\s"\\[\]{}:,=]/g, '')}`;
}

/**
 * Without a backslash: V8 13.6 takes a name such as `a"`, which JSON writes `a\"`, for `a\`, when it has read an object with that in its place. So
 * JSON.parse would be no oracle, now and then.
 */
function nameOf(draw: Draw): string {
  return textOf(draw).replace(/\\/g, '');
}

export function numberOf(draw: Draw): number {
  return draw.pick([
    () => draw.below(100),
    () => -draw.below(1e9),
    () => draw.below(2 ** 31) * 4_000_000,
    () => draw.share() * 1e6 - 5e5,
    () => (draw.share() - 0.5) * 10 ** (draw.below(600) - 300),
    () => draw.below(10_000) / 100,
  ])();
}

export function jsonOf(draw: Draw, depth = 0): unknown {
  return draw.pick<() => unknown>([
    () => null,
    () => draw.chance(0.5),
    () => numberOf(draw),
    () => textOf(draw),
    () => (depth > 3 ? [] : Array.from({ length: draw.below(4) }, () => jsonOf(draw, depth + 1))),
    () =>
      depth > 3
        ? {}
        : Object.fromEntries(Array.from({ length: draw.below(4) }, () => [nameOf(draw), jsonOf(draw, depth + 1)])),
  ])();
}

function several<T>(draw: Draw, make: () => T): readonly T[] {
  return Array.from({ length: 1 + draw.below(3) }, make);
}

function linesOf(lines: readonly string[], values?: readonly unknown[]): Sample {
  return { bytes: Buffer.from(lines.join('\n')), ...(values === undefined ? {} : { values }) };
}

const csvColumns = { name: 'string', bytes: 'number', failed: 'boolean', note: 'string?' } as const;

function csvRecord(draw: Draw): Readonly<Record<string, unknown>> {
  const note = textOf(draw) + draw.pick(['', '', '\n', '\r\n1,2', '\n\n']) + textOf(draw, 2);
  return {
    name: textOf(draw),
    // JSON has it so that it is read again exactly.
    bytes: numberOf(draw),
    failed: draw.chance(0.5),
    ...(note === '' ? {} : { note }),
  };
}

function csvField(value: unknown): string {
  const text = value === undefined ? '' : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function csvLine(
  record: Readonly<Record<string, unknown>>,
  names: readonly string[] = Object.keys(csvColumns),
): string {
  return names.map((name) => csvField(record[name])).join(',');
}

function accessLine(draw: Draw, isCommon: boolean): string {
  const escaped = (text: string): string => text.replace(/["\\]/g, '\\$&');
  const day = String(1 + draw.below(28)).padStart(2, '0');
  const common = `${wordOf(draw)} - ${draw.pick(['-', 'bob', 'bob smith'])} [${day}/Feb/2015:10:05:03 ${draw.pick(['+0000', '-0130'])}] "${escaped(`GET /${textOf(draw)} HTTP/1.1`)}" ${200 + draw.below(300)} ${draw.pick(['-', String(draw.below(1e9))])}`;
  return isCommon
    ? common
    : `${common} "${escaped(textOf(draw))}" "${escaped(textOf(draw))}"${draw.chance(0.3) ? ` "${escaped(textOf(draw))}"` : ''}`;
}

const flowFields = 'version interface-id srcaddr bytes log-status tcp-flags flow-direction'.split(' ');

function flowLine(draw: Draw): { readonly line: string; readonly value: unknown } {
  const known = <T>(value: T): T | undefined => (draw.chance(0.2) ? undefined : value);
  const value = {
    version: 5,
    interfaceId: known(wordOf(draw)),
    srcaddr: known('10.0.0.1'),
    bytes: known(draw.below(1e9)),
    logStatus: 'OK',
    tcpFlags: known(draw.below(20)),
    flowDirection: known('ingress'),
  };
  const line = Object.values(value)
    .map((one) => (one === undefined ? '-' : String(one)))
    .join(' ');
  return { line, value: JSON.parse(JSON.stringify(value)) };
}

function syslogLine(draw: Draw): string {
  const priority = `<${draw.below(192)}>`;
  const value = textOf(draw).replace(/["\\\]]/g, '\\$&');
  const data = draw.pick(['-', `[a@1 k="${value}"]`, `[a@1 k="${value}" k2=""][b@2]`]);
  return draw.pick([
    () =>
      `${priority}1 2026-11-21T10:00:00.${draw.below(1e6)}Z ${wordOf(draw)} ${wordOf(draw)} - ID ${data} ${textOf(draw)}`,
    () => `${priority}1 - - - - - ${data}`,
    () =>
      `${priority}Nov ${draw.pick([' 1', '21', '30'])} 10:00:00 ${wordOf(draw)} ${wordOf(draw)}[1]: ${textOf(draw)}`,
    () => `2026-11-21T10:00:00+01:00 ${wordOf(draw)} ${textOf(draw)}`,
  ])();
}

export const lineFormats: readonly FuzzFormat[] = [
  {
    name: 'json',
    decoder: json(),
    make: (draw) => {
      const values = several(draw, () => jsonOf(draw));
      return linesOf(
        values.map((value) => JSON.stringify(value)),
        values,
      );
    },
  },
  {
    name: 'json-document',
    decoder: jsonDocument({ records: ['a', 'b'] }),
    make: (draw) => {
      const values = several(draw, () => jsonOf(draw));
      return linesOf([JSON.stringify({ x: jsonOf(draw), a: { b: values } }, undefined, draw.below(3))], values);
    },
  },
  {
    name: 'csv',
    decoder: csv({ columns: csvColumns }),
    make: (draw) => {
      const values = several(draw, () => csvRecord(draw));
      return linesOf(
        values.map((value) => csvLine(value)),
        values,
      );
    },
  },
  {
    name: 'csv-header',
    decoder: csv({ columns: csvColumns, header: true }),
    make: (draw) => {
      const values = several(draw, () => csvRecord(draw));
      const names = ['other', ...Object.keys(csvColumns)].sort(() => draw.share() - 0.5);
      // deepStrictEqual does not look at the order of columns, which is the header's.
      return linesOf([names.join(','), ...values.map((value) => csvLine({ ...value, other: 'x' }, names))], values);
    },
  },
  {
    name: 'combined',
    decoder: combinedLog(),
    make: (draw) => linesOf(several(draw, () => accessLine(draw, draw.chance(0.3)))),
  },
  { name: 'common', decoder: commonLog(), make: (draw) => linesOf(several(draw, () => accessLine(draw, true))) },
  {
    name: 'vpc-flow-log',
    decoder: vpcFlowLog({ fields: flowFields }),
    make: (draw) => {
      const made = several(draw, () => flowLine(draw));
      return linesOf(
        made.map(({ line }) => line),
        made.map(({ value }) => value),
      );
    },
  },
  {
    name: 'vpc-flow-log-header',
    decoder: vpcFlowLog({ fields: 'header' }),
    make: (draw) => {
      const made = several(draw, () => flowLine(draw));
      return linesOf(
        [flowFields.join(' '), ...made.map(({ line }) => line)],
        made.map(({ value }) => value),
      );
    },
  },
  { name: 'syslog', decoder: syslog(), make: (draw) => linesOf(several(draw, () => syslogLine(draw))) },
];
