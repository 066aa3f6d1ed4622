import { readFileSync } from 'node:fs';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { localClient } from '#local/client.ts';
import type { LocalStack } from '#local/stack.ts';
import { wallClock } from '#shared/adapters/clock.ts';
import { writeLookupItems } from '#shared/adapters/dynamodb/lookup-tables.ts';
import { lookupTablesOf } from '#shared/pipeline/enrich.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import type { TableItems } from '#shared/runtime/run.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import type { LookupItem } from '#shared/schemas/lookup.ts';

/** Reads what `--table NAME=FILE` names: the items of a table, each a line of JSON. Throws `INPUT_INVALID` or `INPUT_UNREADABLE`. */
export function readTables(values: readonly string[]): TableItems {
  const tables: Record<string, readonly LookupItem[]> = {};
  for (const value of values) {
    const at = value.indexOf('=');
    const [name, path] = [value.slice(0, at), value.slice(at + 1)];
    if (at < 1 || path === '')
      throw new MillraceError(
        'INPUT_INVALID',
        `--table ${value} is not a table and its file: write --table NAME=FILE.`,
      );
    if (Object.hasOwn(tables, name)) throw new MillraceError('INPUT_INVALID', `--table names ${name} twice.`);
    tables[name] = readItems(path);
  }
  return tables;
}

/** The files that `--table NAME=FILE` names. */
export function tableFiles(values: readonly string[]): readonly string[] {
  return values.map((value) => value.slice(value.indexOf('=') + 1));
}

/** Puts the items into the tables of the embedded DynamoDB, beside those that are there. Throws `INPUT_INVALID` for one without its table's key. */
export async function putTables(stack: LocalStack, { plan }: Pipeline, tables: TableItems): Promise<void> {
  const client = new DynamoDBClient(localClient(stack.endpoints.dynamodb));
  for (const { spec } of lookupTablesOf(plan))
    await writeLookupItems({ client, clock: wallClock }, spec, tables[spec.name] ?? []);
  client.destroy();
}

function readItems(path: string): readonly LookupItem[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new MillraceError('INPUT_UNREADABLE', `the table ${path} cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return text.split('\n').flatMap((line, index) => (line.trim() === '' ? [] : [itemOf(line, `${path}:${index + 1}`)]));
}

function itemOf(line: string, where: string): LookupItem {
  let item: unknown;
  try {
    item = JSON.parse(line);
  } catch (error) {
    throw new MillraceError('INPUT_INVALID', `${where} is not JSON: ${(error as Error).message}`, { cause: error });
  }
  if (typeof item !== 'object' || item === null || Array.isArray(item))
    throw new MillraceError('INPUT_INVALID', `${where} is no item: a JSON object for each line is wanted.`);
  return item as LookupItem;
}
