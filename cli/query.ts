import { defineCommand } from 'citty';
import { pipelines } from '#pipelines/index.ts';
import { MillraceError, withoutCode } from '#shared/schemas/error.ts';
import type { PrintedRow } from '#shared/schemas/row.ts';
import { listOf } from './arguments.ts';
import { openOutput, writeRows } from './output.ts';
import { portsOf } from './ports.ts';
import { findStackFile } from './stack-file.ts';

export const queryCommand = defineCommand({
  meta: { name: 'query', description: 'Read rows of a view from a running "millrace dev", or from any read API.' },
  args: {
    view: { type: 'positional', required: true, description: 'The view, such as by-ip-1m' },
    key: {
      type: 'string',
      valueHint: 'COLUMN=VALUE',
      description: 'Rows of one key; once for each key column; status:n=200 is a number',
    },
    from: {
      type: 'string',
      valueHint: 'TIME',
      description: 'Windows that start at or after this, in ISO 8601 or milliseconds',
    },
    to: { type: 'string', valueHint: 'TIME', description: 'Windows that start before this' },
    top: { type: 'string', valueHint: 'N', description: 'The N rows with the highest value of --by' },
    by: { type: 'string', valueHint: 'COLUMN', description: 'The column of --top; by default the first' },
    url: {
      type: 'string',
      valueHint: 'URL',
      description: 'The read API; by default the one of "millrace dev" on this machine',
    },
  },
  run: async ({ args, rawArgs }) => {
    const url = urlOf(args.view, args.url ?? localUrl(args.view));
    for (const name of ['from', 'to', 'top', 'by'] as const) {
      const value = args[name];
      if (value !== undefined) url.searchParams.set(name, value);
    }
    for (const key of listOf(rawArgs, 'key')) {
      const at = key.indexOf('=');
      if (at < 1) throw new MillraceError('QUERY_INVALID', `--key ${key} is not COLUMN=VALUE.`);
      url.searchParams.set(`key.${key.slice(0, at)}`, key.slice(at + 1));
    }
    writeRows(openOutput('-'), (await fetchJson(url)) as readonly PrintedRow[]);
  },
});

function urlOf(view: string, api: string): URL {
  const path = `/views/${encodeURIComponent(view)}`;
  if (URL.canParse(path, api)) return new URL(path, api);
  throw new MillraceError('QUERY_INVALID', `--url ${api} is no URL; write it as http://127.0.0.1:4600.`);
}

/** The read API of the stack that runs in this folder for the view's pipeline, whatever its port; else of the default port. */
function localUrl(view: string): string {
  for (const { id, outputs } of pipelines) {
    const stack = view in outputs ? findStackFile(id) : undefined;
    if (stack !== undefined) return stack.readUrl;
  }
  return `http://127.0.0.1:${portsOf(undefined).read}`;
}

/** Asks a read API. Its own errors are passed on; `SOURCE_UNAVAILABLE` when nobody answers. */
async function fetchJson(url: URL): Promise<unknown> {
  let response: Response;
  try {
    response = await fetch(url);
  } catch (cause) {
    throw new MillraceError(
      'SOURCE_UNAVAILABLE',
      `no read API answers at ${url.origin}. Start one with "npm start", or name another with --url.`,
      { cause },
    );
  }
  const text = await response.text();
  let body: { readonly message?: string };
  try {
    body = JSON.parse(text);
  } catch (cause) {
    throw new MillraceError(
      'SOURCE_UNAVAILABLE',
      `what answers at ${url.origin} is no read API (status ${response.status}). Name another with --url.`,
      { cause },
    );
  }
  if (response.ok) return body;
  // The read API has put its code before the message.
  const message = withoutCode(body.message ?? `the read API answered ${response.status}`);
  throw new MillraceError('QUERY_INVALID', message);
}
