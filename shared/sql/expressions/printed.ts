import type { Json } from '#shared/pipeline/aggregator.ts';
import { toIso } from '#shared/schemas/time.ts';
import { type Compiled, strictly } from './compiled.ts';
import { formatDate, formatInterval, formatMonths } from './time.ts';
import type { SqlType } from './types.ts';

/** A value as JSON: times in ISO 8601. */
export function printer({ kind }: SqlType): (value: unknown) => Json {
  switch (kind) {
    case 'timestamp':
      return (value) => toIso(Number(value));
    case 'date':
      return (value) => formatDate(value as number);
    case 'interval':
      return (value) => formatInterval(value as number);
    case 'months':
      return (value) => formatMonths(value as number);
    default:
      return (value) => value as Json;
  }
}

/** The value as one of a type that holds it. Among values of several kinds, each of which is looked at when it is there, times are what JSON has. */
export function asOneOf(type: SqlType, value: Compiled): Compiled {
  const isTime = ['timestamp', 'date', 'interval', 'months'].includes(value.type.kind);
  if (type.kind !== 'any' || !isTime) return { ...value, type };
  return strictly({ type, text: value.text, args: [value], call: printer(value.type), nullable: value.nullable });
}
