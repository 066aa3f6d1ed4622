import { createHash } from 'node:crypto';
import { decodeKey } from '#shared/schemas/key.ts';
import type { LogPosition } from '#shared/schemas/position.ts';
import { type Row, rowOrder, type TotalPartial } from '#shared/schemas/row.ts';
import { fromAttribute, toAttribute } from './attribute-value.ts';
import { expirySeconds, type Item, numberOf, textOf, unreadable } from './item.ts';
import { packText, unpackText } from './packed-text.ts';
import { sortableDay, sortableTime } from './sortable-time.ts';

// The results table: partition key `pk`, sort key `sk`, both text; time to live by `ttl` (N, seconds since the epoch); one global
// index `by-window` with partition key `window` and sort key `windowKey`, both text, that projects everything.
//
//   what   pk                  sk                         attributes
//   row    by-ip#ip=1.2.3.4    <start>/<end>              view, ip, windowStart, windowEnd, final, requests, bytes, ...,
//                                                         position, ttl, window, windowKey
//   joined by-ip#ip=1.2.3.4    <start>/<end>#<id>         as a row, without windowStart and windowEnd: it has no window; emitted ones too
//   shown  by-ip#ip=1.2.3.4    <start>/..[#<id>]          as a row, with the end that it has so far: see `provisional`
//   gone   by-ip#ip=1.2.3.4    <start>/..[#<id>]          position, ttl: it keeps older writers from showing it again
//   total  by-ip#total#<ISO>   00007/<end> (of the slot)  view, slot, windowStart, windowEnd, final, columns, position, ttl
//   day    by-ip#days          2015-05-17                 ttl
//
//   <start>     2015-05-17T10:00:00.000Z                  ISO 8601 in UTC; with `/` and the end its interval
//   window      by-ip#2015-05-17#3                        view, UTC day of the window's start, part of the index (0 to 7)
//   windowKey   2015-05-17T10:00:00.000Z#ip=1.2.3.4
//
// `position` is the row's order (rule 14). The key columns are there for readers; the key itself is read from `pk`. A canonical
// key holds no `#`, so rows, totals and days never meet. Totals and days have no `window`, so they are not in the index, and neither are
// rows that are gone. Why the index is cut this way: docs/decisions/0002-results-table.md. `/..` is the open end of ISO 8601-2.

export const indexName = 'by-window';

const pkBytesMax = 2_048;
const skBytesMax = 1_024;

/** The attributes that are ours; a column of such a name, or of a key column's, is stored with a leading `_`. */
const ownAttributes: ReadonlySet<string> = new Set([
  'pk',
  'sk',
  'view',
  'windowStart',
  'windowEnd',
  'final',
  'position',
  'ttl',
  'window',
  'windowKey',
  'wholeKey',
]);

export function itemOfRow(row: Row, indexParts: number): Item {
  if (row.provisional === 'gone') return itemOfGone(row);
  const item: Item = {};
  const keyColumns = decodeKey(row.key);
  for (const [name, value] of Object.entries(keyColumns)) {
    const attribute = toAttribute(value);
    if (attribute !== undefined && !ownAttributes.has(name)) item[name] = attribute;
  }
  for (const [name, value] of Object.entries(row.columns)) {
    const attribute = toAttribute(value);
    const taken = ownAttributes.has(name) || Object.hasOwn(keyColumns, name);
    if (attribute !== undefined) item[taken ? `_${name}` : name] = attribute;
  }
  const { pk, sk } = keyOfRow(row);
  const start = sortableTime(row.windowStartMs);
  return {
    ...item,
    pk: { S: pk },
    sk: { S: sk },
    view: { S: row.view },
    ...(row.id === undefined || row.provisional === 'shown'
      ? { windowStart: { S: isoOf(row.windowStartMs) }, windowEnd: { S: isoOf(row.windowEndMs) } }
      : undefined),
    final: { BOOL: row.final },
    position: { S: rowOrder(row) },
    ttl: { N: String(expirySeconds(row.expiresMs)) },
    window: {
      S: indexPartition({
        view: row.view,
        day: sortableDay(row.windowStartMs),
        part: indexPartOf(row.key, indexParts),
      }),
    },
    windowKey: { S: `${start}#${shortened(row.key, skBytesMax - start.length - 1)}` },
    ...(pk === `${row.view}#${row.key}` ? undefined : { wholeKey: { S: row.key } }),
  };
}

function itemOfGone(row: Row): Item {
  const { pk, sk } = keyOfRow(row);
  return {
    pk: { S: pk },
    sk: { S: sk },
    position: { S: rowOrder(row) },
    ttl: { N: String(expirySeconds(row.expiresMs)) },
  };
}

/** Of an item that is in the index. */
export function rowOf(item: Item): Row {
  const view = textOf(item, 'view');
  const { wholeKey } = item;
  const key = wholeKey?.S ?? textOf(item, 'pk').slice(view.length + 1);
  const keyColumns = decodeKey(key);
  const columns: Record<string, unknown> = {};
  for (const [name, attribute] of Object.entries(item)) {
    if (name.startsWith('_')) columns[name.slice(1)] = fromAttribute(attribute);
    else if (!ownAttributes.has(name) && !Object.hasOwn(keyColumns, name)) columns[name] = fromAttribute(attribute);
  }
  const bounds = item['windowStart'] === undefined ? pairOf(item) : boundsOf(item);
  return {
    view,
    key,
    ...bounds,
    ...shownOf(item),
    ...orderOf(item),
    columns,
    expiresMs: numberOf(item, 'ttl') * 1_000,
  };
}

/** The times and the id of a joined row, from its sort key. Event times are of the years 1 to 9999, so they stand there in ISO 8601. */
function pairOf(item: Item): Pick<Row, 'windowStartMs' | 'windowEndMs'> & { readonly id: string } {
  const [, start, end, id] = /^([^/]*)\/([^#]*)#(.*)$/s.exec(textOf(item, 'sk')) ?? [];
  if (start === undefined || end === undefined || id === undefined) throw unreadable(item, 'sk');
  return { windowStartMs: Date.parse(start), windowEndMs: Date.parse(end), id };
}

function shownOf(item: Item): Pick<Row, 'provisional' | 'id'> {
  const [, end = '', id] = /\/([^#]*)#?(.*)$/s.exec(textOf(item, 'sk')) ?? [];
  if (end !== openEnd) return {};
  return { provisional: 'shown', ...(id === '' || id === undefined ? {} : { id }) };
}

const openEnd = '..';

function keyOfRow(row: Row): { readonly pk: string; readonly sk: string } {
  const { view, key, windowStartMs, windowEndMs, id, provisional } = row;
  const end = provisional === undefined ? sortableTime(windowEndMs) : openEnd;
  const interval = `${sortableTime(windowStartMs)}/${end}`;
  return { pk: partitionOfKey(view, key), sk: id === undefined ? interval : `${interval}#${id}` };
}

export function partitionOfKey(view: string, key: string): string {
  return `${view}#${shortened(key, pkBytesMax - view.length - 1)}`;
}

export function itemOfTotal(total: TotalPartial): Item {
  return {
    pk: { S: partitionOfTotals(total.view, total.windowStartMs) },
    sk: { S: `${String(total.slot).padStart(5, '0')}/${sortableTime(total.windowEndMs)}` },
    view: { S: total.view },
    slot: { N: String(total.slot) },
    windowStart: { S: isoOf(total.windowStartMs) },
    windowEnd: { S: isoOf(total.windowEndMs) },
    final: { BOOL: total.final },
    position: { S: rowOrder(total) },
    ttl: { N: String(expirySeconds(total.expiresMs)) },
    ...packText('columns', JSON.stringify(total.columns)).attributes,
  };
}

export function totalOf(item: Item): TotalPartial {
  const columns = unpackText('columns', item);
  if (columns === undefined) throw unreadable(item, 'columns');
  return {
    view: textOf(item, 'view'),
    slot: numberOf(item, 'slot'),
    ...boundsOf(item),
    ...orderOf(item),
    columns: JSON.parse(columns) as TotalPartial['columns'],
    expiresMs: numberOf(item, 'ttl') * 1_000,
  };
}

export function partitionOfTotals(view: string, windowStartMs: number): string {
  return `${view}#total#${sortableTime(windowStartMs)}`;
}

export function partitionOfDays(view: string): string {
  return `${view}#days`;
}

export function indexPartition({
  view,
  day,
  part,
}: {
  readonly view: string;
  readonly day: string;
  readonly part: number;
}): string {
  return `${view}#${day}#${part}`;
}

/** Any even spread of keys will do, as long as it stays the same: FNV-1a. */
function indexPartOf(key: string, indexParts: number): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < key.length; index += 1) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  return (hash >>> 0) % indexParts;
}

/** A text of at most `bytesMax` bytes that still is the key's alone: a longer key is cut, and its hash stands for the rest. */
function shortened(key: string, bytesMax: number): string {
  if (key.length * 3 <= bytesMax) return key;
  const bytes = Buffer.from(key);
  if (bytes.byteLength <= bytesMax) return key;
  const hash = createHash('sha256').update(bytes).digest('base64url');
  let end = bytesMax - hash.length - 1;
  // Not in the middle of a character.
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return `${bytes.toString('utf8', 0, end)}#${hash}`;
}

function isoOf(timeMs: number): string {
  return new Date(timeMs).toISOString();
}

function boundsOf(item: Item): { readonly windowStartMs: number; readonly windowEndMs: number } {
  return { windowStartMs: Date.parse(textOf(item, 'windowStart')), windowEndMs: Date.parse(textOf(item, 'windowEnd')) };
}

function orderOf(item: Item): { readonly final: boolean; readonly position: LogPosition } {
  const { final } = item;
  return { final: final?.BOOL === true, position: textOf(item, 'position').slice(1) as LogPosition };
}
