import { MillraceError } from '#shared/schemas/error.ts';
import type { LineDecoder } from '../decoder.ts';
import { checkOneOf, givenList, givenOptions } from '../refuse.ts';
import { stopped } from './line-text.ts';

/**
 * A line of a VPC flow log: its fields by their names in camel case (`interface-id` is `interfaceId`). A field that says `-`, which was not
 * to be known, is left out. `start` and `end` are in seconds, as in the log.
 */
export interface VpcFlowLogRecord {
  readonly version?: number;
  readonly accountId?: string;
  readonly interfaceId?: string;
  readonly srcaddr?: string;
  readonly dstaddr?: string;
  readonly srcport?: number;
  readonly dstport?: number;
  readonly protocol?: number;
  readonly packets?: number;
  readonly bytes?: number;
  readonly start?: number;
  readonly end?: number;
  readonly action?: string;
  readonly logStatus?: string;
  readonly tcpFlags?: number;
  readonly trafficPath?: number;
  readonly [field: string]: string | number | undefined;
}

interface FlowLogOptions {
  /**
   * The fields in the order of the log's format, as AWS names them: `['version', 'interface-id', 'bytes']`. By default those of version 2.
   * `'header'`: a line at the top of each raw record or file names them, as in the files that flow logs write to S3.
   */
  readonly fields?: readonly string[] | 'header';
  /** What to do with lines that say `NODATA` (nothing was sent) or `SKIPDATA` (AWS has lost what was sent). By default they hold no record. */
  readonly withoutData?: 'skip' | 'keep';
}

interface FlowLogDecoder extends LineDecoder {
  readonly decodeLine: (line: string) => VpcFlowLogRecord | undefined;
}

/**
 * VPC flow logs, of versions 2 to 5 and later: which fields a line has is what the log was created with.
 *
 *     2 123456789010 eni-1235b8ca123456789 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK
 *
 * https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html
 */
export function vpcFlowLog(options: FlowLogOptions = {}): FlowLogDecoder {
  const { fields = versionTwo, withoutData = 'skip' } = givenOptions(
    'vpcFlowLog',
    options,
    ['fields', 'withoutData'],
    "{ fields: 'header' }",
  );
  checkOneOf('vpcFlowLog:', 'withoutData', withoutData, ['skip', 'keep']);
  if (fields !== 'header') givenList('vpcFlowLog', 'fields', fields, "a list of names, or 'header'");
  const skips = withoutData === 'skip';
  const config = { fields: fields === 'header' ? fields : [...fields], withoutData };
  if (fields !== 'header') {
    const layout = givenLayout(fields);
    return {
      format: 'vpc-flow-log',
      config,
      recognises: (line) => countFields(line) === fields.length && !/["[{]/.test(line),
      decodeLine: (line) => decodeLine(layout, line, skips),
    };
  }
  return {
    format: 'vpc-flow-log',
    config,
    recognises: (line) => /^[\w.:-]+( [\w.:-]+)+$/.test(line),
    decodeLine: (line) => decodeLine(layoutOf(versionTwo), line, skips),
    begin: () => {
      let header: { readonly line: string; readonly layout: readonly Field[] } | undefined;
      return {
        decodeLine: (line) => {
          if (header !== undefined) return decodeLine(header.layout, line, skips);
          if (!/^[a-z-]+( [a-z-]+)*$/.test(line))
            throw new Error(
              'the first line must name the fields, such as "version interface-id bytes"; without it name them in vpcFlowLog({ fields })',
            );
          header = { line, layout: layoutOf(line.split(' ')) };
          return undefined;
        },
        standAlone: (line) => (header === undefined || line === header.line ? line : `${header.line}\n${line}`),
      };
    },
  };
}

const versionTwo =
  'version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status'.split(
    ' ',
  );

/** All others are texts, those too that AWS will add. */
const numbers: ReadonlySet<string> = new Set(
  'version srcport dstport protocol packets bytes start end tcp-flags traffic-path'.split(' '),
);

interface Field {
  readonly awsName: string;
  readonly name: string;
  readonly isNumber: boolean;
}

function givenLayout(fields: readonly string[]): readonly Field[] {
  try {
    return layoutOf(fields);
  } catch (cause) {
    throw new MillraceError('PIPELINE_INVALID', `vpcFlowLog: ${(cause as Error).message}.`, { cause });
  }
}

function layoutOf(fields: readonly string[]): readonly Field[] {
  for (const [at, field] of fields.entries()) {
    const wrong = !/^[a-z]+(-[a-z]+)*$/.test(field)
      ? 'is no field of a flow log: AWS writes them in lower case with hyphens'
      : fields.indexOf(field) < at && 'is named twice';
    if (wrong) throw new Error(`field ${at + 1}, ${JSON.stringify(field)}, ${wrong}`);
  }
  if (fields.length === 0) throw new Error('there are no fields; name at least one');
  return fields.map((awsName) => ({
    awsName,
    name: awsName.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase()),
    isNumber: numbers.has(awsName),
  }));
}

function countFields(line: string): number {
  let count = 1;
  for (let at = line.indexOf(' '); at !== -1; at = line.indexOf(' ', at + 1)) count += 1;
  return count;
}

function decodeLine(layout: readonly Field[], line: string, skips: boolean): VpcFlowLogRecord | undefined {
  const record: Record<string, string | number> = {};
  let at = 0;
  let names = 0;
  let misfit: Error | undefined;
  for (const [index, { awsName, name, isNumber }] of layout.entries()) {
    const found = line.indexOf(' ', at);
    const end = found === -1 ? line.length : found;
    if (at > line.length || end === at)
      throw stopped(line, Math.min(at, line.length), `the field ${awsName} (${index + 1} of ${layout.length})`);
    const text = line.slice(at, end);
    if (text === awsName) names += 1;
    if (text !== '-') {
      const value = isNumber ? numberOf(text) : text;
      if (value === undefined) misfit ??= stopped(line, at, `a whole number or - for the field ${awsName}`);
      else record[name] = value;
    }
    at = end + 1;
  }
  if (at <= line.length) throw stopped(line, at - 1, `the end of the line behind ${layout.length} fields`);
  // A header, which is text even where its field is a number.
  if (names === layout.length) return undefined;
  if (misfit !== undefined) throw misfit;
  if (skips && (record['logStatus'] === 'NODATA' || record['logStatus'] === 'SKIPDATA')) return undefined;
  return record;
}

/** A whole number that a number can hold. */
function numberOf(text: string): number | undefined {
  if (!/^\d{1,16}$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}
