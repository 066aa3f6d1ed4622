import type { Json } from '../aggregator.ts';
import { fullNameOf } from './avro-schema.ts';

/**
 * The CRC-64-AVRO fingerprint of a schema's Parsing Canonical Form, in hex, the lowest byte first, as single objects carry it.
 * https://avro.apache.org/docs/1.12.0/specification/#schema-fingerprints
 */
export function avroFingerprint(schema: Json): string {
  let fingerprint = empty;
  for (const byte of utf8BytesOf(JSON.stringify(canonical(schema, ''))))
    fingerprint = (fingerprint >> 8n) ^ (table[Number((fingerprint ^ BigInt(byte)) & 0xffn)] as bigint);
  let hex = '';
  for (let shift = 0n; shift < 64n; shift += 8n)
    hex += Number((fingerprint >> shift) & 0xffn)
      .toString(16)
      .padStart(2, '0');
  return hex;
}

const empty = 0xc15d213aa4d7a795n;

const table: readonly bigint[] = Array.from({ length: 256 }, (_, index) => {
  let fingerprint = BigInt(index);
  for (let bit = 0; bit < 8; bit += 1) fingerprint = (fingerprint >> 1n) ^ (empty & -(fingerprint & 1n));
  return fingerprint;
});

/** Only what readers need, in one order: names in full, no documentation, no logical types. */
function canonical(schema: Json, namespace: string): Json {
  if (Array.isArray(schema)) return schema.map((one) => canonical(one, namespace));
  if (typeof schema === 'string') return primitives.has(schema) ? schema : fullNameOf(schema, namespace);
  const it = schema as { readonly [name: string]: Json };
  const type = it['type'] as Json;
  if (typeof type !== 'string') return canonical(type, namespace);
  if (primitives.has(type)) return type;
  if (type === 'array') return { type, items: canonical(it['items'] as Json, namespace) };
  if (type === 'map') return { type, values: canonical(it['values'] as Json, namespace) };
  if (!['record', 'error', 'enum', 'fixed'].includes(type)) return canonical(type, namespace);
  const name = fullNameOf(String(it['name']), typeof it['namespace'] === 'string' ? it['namespace'] : namespace);
  if (type === 'enum') return { name, type, symbols: it['symbols'] as Json };
  if (type === 'fixed') return { name, type, size: it['size'] as Json };
  const inner = name.slice(0, Math.max(0, name.lastIndexOf('.')));
  const fields = (it['fields'] as readonly { readonly [name: string]: Json }[]).map((field) => ({
    name: field['name'] as Json,
    type: canonical(field['type'] as Json, inner),
  }));
  return { name, type, fields };
}

const primitives: ReadonlySet<string> = new Set('null boolean int long float double bytes string'.split(' '));

/** A schema's names are ASCII, but nothing makes sure of it; JSON has escaped what is half of a pair. */
function utf8BytesOf(text: string): readonly number[] {
  const encoded = encodeURIComponent(text);
  const bytes: number[] = [];
  for (let at = 0; at < encoded.length; at += 1) {
    const isEscaped = encoded[at] === '%';
    bytes.push(isEscaped ? Number.parseInt(encoded.slice(at + 1, at + 3), 16) : encoded.charCodeAt(at));
    if (isEscaped) at += 2;
  }
  return bytes;
}
