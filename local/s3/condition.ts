import { Fault } from './fault.ts';
import type { ObjectMeta } from './objects.ts';

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html */
export interface WriteCondition {
  /** Only when the object has this ETag. */
  readonly ifMatch?: string | undefined;
  /** `*`: only when there is no object. */
  readonly ifNoneMatch?: string | undefined;
}

/** Refuses a write or a removal whose condition does not hold. */
export function checkWrite(known: ObjectMeta | undefined, { ifMatch, ifNoneMatch }: WriteCondition): void {
  if (ifNoneMatch !== undefined && ifNoneMatch !== '*') {
    throw new Fault('NotImplemented', 'A write takes If-None-Match with * only.');
  }
  if (ifNoneMatch === '*' && known !== undefined) throw failed('If-None-Match');
  if (ifMatch === undefined) return;
  if (known === undefined) throw new Fault('NoSuchKey', 'The specified key does not exist.');
  if (!names(ifMatch, known.etag)) throw failed('If-Match');
}

/** Whether the reader has it already (304). Refuses a read whose condition does not hold. */
export function checkRead(meta: ObjectMeta, headers: Readonly<Record<string, string>>): 'unchanged' | 'send' {
  const { 'if-match': match, 'if-none-match': noneMatch } = headers;
  const modifiedSeconds = Math.floor(meta.modifiedMs / 1_000);
  const secondsOf = (name: string): number => Date.parse(headers[name] ?? '') / 1_000;
  if (match !== undefined) {
    if (!names(match, meta.etag)) throw failed('If-Match');
  } else if (modifiedSeconds > secondsOf('if-unmodified-since')) {
    throw failed('If-Unmodified-Since');
  }
  if (noneMatch !== undefined) return names(noneMatch, meta.etag) ? 'unchanged' : 'send';
  return modifiedSeconds <= secondsOf('if-modified-since') ? 'unchanged' : 'send';
}

export interface ByteRange {
  readonly from: number;
  /** Inclusive, as in the header. */
  readonly to: number;
}

/**
 * The range that a read asks for; undefined for all of it, which several ranges are answered with as well.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
 */
export function parseRange(header: string | undefined, bytesCount: number): ByteRange | undefined {
  const found = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  const [first = '', last = ''] = found?.slice(1) ?? [];
  if (first === '' && last === '') return undefined;
  const end = bytesCount - 1;
  const from = first === '' ? Math.max(0, bytesCount - Number(last)) : Number(first);
  const to = first === '' || last === '' ? end : Math.min(end, Number(last));
  if (first !== '' && last !== '' && Number(last) < Number(first)) return undefined;
  if (from > end) throw new Fault('InvalidRange', 'The requested range is not satisfiable.');
  return { from, to };
}

function failed(condition: string): Fault {
  return new Fault('PreconditionFailed', `At least one of the preconditions you specified did not hold: ${condition}.`);
}

/** Whether the header, a list of ETags or `*`, names this one. The quotes may be missing. */
function names(header: string, etag: string): boolean {
  const bare = (text: string): string => text.trim().replace(/^W\//, '').replace(/^"|"$/g, '');
  return header.split(',').some((it) => bare(it) === '*' || bare(it) === bare(etag));
}
