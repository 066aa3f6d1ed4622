import { Fault } from './fault.ts';

export interface ListRequest {
  readonly prefix: string;
  readonly delimiter: string;
  /** Only what comes behind it, in the order of UTF-8 bytes. */
  readonly startAfter: string;
  readonly continuationToken?: string | undefined;
  readonly entriesMax: number;
}

export interface ListPage {
  readonly keys: readonly string[];
  /** What keys that hold the delimiter behind the prefix have in common, up to its end; one entry each. */
  readonly commonPrefixes: readonly string[];
  readonly nextToken?: string;
}

/**
 * One page of sorted keys: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
 *
 *     prefix a/, delimiter /:   a/1  a/b/2  a/b/3  c   ->   keys a/1, common prefix a/b/
 */
export function listPage(sortedKeys: readonly string[], request: ListRequest): ListPage {
  const { prefix, delimiter, entriesMax } = request;
  const start =
    request.continuationToken === undefined
      ? { last: request.startAfter, isPrefix: false }
      : parseToken(request.continuationToken);
  const keys: string[] = [];
  const commonPrefixes: string[] = [];
  let last = start;
  for (const key of sortedKeys) {
    if (!key.startsWith(prefix) || isBehind(start, key)) continue;
    const common = commonPrefixOf(key, prefix, delimiter);
    // The rest of a common prefix that is on the page, or on the one before.
    if (common !== undefined && last.isPrefix && last.last === common) continue;
    if (keys.length + commonPrefixes.length === entriesMax) {
      return { keys, commonPrefixes, ...(entriesMax === 0 ? {} : { nextToken: formatToken(last) }) };
    }
    if (common === undefined) keys.push(key);
    else commonPrefixes.push(common);
    last = { last: common ?? key, isPrefix: common !== undefined };
  }
  return { keys, commonPrefixes };
}

/** Where a page ended. */
interface Position {
  readonly last: string;
  readonly isPrefix: boolean;
}

function isBehind({ last }: Position, key: string): boolean {
  return last !== '' && Buffer.compare(Buffer.from(key), Buffer.from(last)) <= 0;
}

function commonPrefixOf(key: string, prefix: string, delimiter: string): string | undefined {
  const at = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
  return at === -1 ? undefined : key.slice(0, at + delimiter.length);
}

function formatToken(position: Position): string {
  return Buffer.from(JSON.stringify([position.last, position.isPrefix])).toString('base64');
}

function parseToken(token: string): Position {
  try {
    const [last, isPrefix] = JSON.parse(Buffer.from(token, 'base64').toString()) as [unknown, unknown];
    if (typeof last === 'string' && typeof isPrefix === 'boolean') return { last, isPrefix };
  } catch {
    // Answered below.
  }
  throw new Fault('InvalidArgument', 'The continuation token provided is incorrect.');
}
