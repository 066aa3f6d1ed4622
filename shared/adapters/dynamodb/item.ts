import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { MillraceError } from '#shared/schemas/error.ts';

export type Item = Record<string, AttributeValue>;

/** The key of an item as one text, which differs for different keys and tells a person which item it is. */
export function nameOfItem(item: Item): string {
  const { pk, sk } = item;
  return `${pk?.S} ${sk?.S}`;
}

/** The text under `name`, which the item must have. */
export function textOf(item: Item, name: string): string {
  const text = item[name]?.S;
  if (text === undefined) throw unreadable(item, name);
  return text;
}

/** The number under `name`, which the item must have. */
export function numberOf(item: Item, name: string): number {
  const number = item[name]?.N;
  if (number === undefined) throw unreadable(item, name);
  return Number(number);
}

export function unreadable(item: Item, name: string): MillraceError {
  return new MillraceError(
    'STATE_UNREADABLE',
    `item ${nameOfItem(item)} has no readable attribute ${name}: something else than Millrace wrote it. Remove or repair the item.`,
  );
}

/** When the table may remove an item: whole seconds since the epoch, never sooner than asked. */
export function expirySeconds(expiresMs: number): number {
  return Math.ceil(expiresMs / 1_000);
}
