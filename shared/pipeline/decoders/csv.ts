import type { Decoder } from '../decoder.ts';

export type CsvColumnType = 'string' | 'number' | 'boolean';

/**
 * Comma-separated values (RFC 4180), one record a line, with the columns in this order. A line that names the columns is a header.
 *
 * `csv({ columns: { ip: 'string', bytes: 'number', ts: 'number' } })`
 */
export function csv(options: { readonly columns: Readonly<Record<string, CsvColumnType>> }): Decoder {
  const names = Object.keys(options.columns);
  const types = Object.values(options.columns);
  const header = names.join(',');
  return {
    format: 'csv',
    config: { columns: names.map((name, index) => `${name}:${types[index]}`) },
    recognises: () => true,
    decodeLine: (line) => {
      if (line === header) return undefined;
      const fields = line.includes('"') ? splitQuoted(line) : line.split(',');
      if (fields.length !== names.length)
        throw new Error(`the line has ${fields.length} fields; expected ${names.length}: ${header}`);
      const record: Record<string, string | number | boolean> = {};
      for (let index = 0; index < names.length; index += 1) {
        record[names[index] as string] = convert(
          fields[index] as string,
          types[index] as CsvColumnType,
          names[index] as string,
          index,
        );
      }
      return record;
    },
  };
}

function convert(field: string, type: CsvColumnType, name: string, index: number): string | number | boolean {
  if (type === 'string') return field;
  if (type === 'number') {
    const number = Number(field);
    if (field.trim() !== '' && !Number.isNaN(number)) return number;
  } else if (field === 'true' || field === 'false') {
    return field === 'true';
  }
  throw new Error(`column ${name} (field ${index + 1}) is ${JSON.stringify(field)}; expected a ${type}`);
}

function splitQuoted(line: string): string[] {
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    let field = '';
    if (line[at] === '"') {
      at += 1;
      for (;;) {
        const quote = line.indexOf('"', at);
        if (quote === -1) throw new Error(`field ${fields.length + 1} has an opening quote and no closing one`);
        field += line.slice(at, quote);
        at = quote + 1;
        if (line[at] !== '"') break;
        field += '"';
        at += 1;
      }
      if (at < line.length && line[at] !== ',')
        throw new Error(`field ${fields.length + 1} goes on behind its closing quote, at character ${at + 1}`);
    } else {
      const comma = line.indexOf(',', at);
      const end = comma === -1 ? line.length : comma;
      field = line.slice(at, end);
      if (field.includes('"'))
        throw new Error(
          `field ${fields.length + 1} has a quote in its middle, at character ${at + field.indexOf('"') + 1}`,
        );
      at = end;
    }
    fields.push(field);
    if (at >= line.length) return fields;
    at += 1;
  }
}
