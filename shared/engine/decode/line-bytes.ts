import type { DecodeTools } from '#shared/pipeline/decoder.ts';

/** A line of ASCII that was read from its bytes: its text is made when somebody asks for it. */
export class ScannedLine {
  readonly #tools: DecodeTools | undefined;
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  /** Behind its line feed. */
  end = 0;

  constructor(tools: DecodeTools | undefined) {
    this.#tools = tools;
  }

  get payload(): string {
    const { bytes, start, end } = this;
    return this.#tools?.ascii(bytes, start, bytes[end - 2] === carriageReturn ? end - 2 : end - 1) ?? '';
  }
}

/** What is wrong with a line that is not UTF-8 text. */
export function notText(line: Uint8Array): string {
  const at = textBytesOf(line);
  return `the line is not UTF-8 text: byte ${at + 1} is 0x${(line[at] as number).toString(16).padStart(2, '0')}`;
}

/** What there is of a line that is not UTF-8 text, with a replacement character for each byte that is none. */
export function replacedText(line: Uint8Array, tools: DecodeTools): string {
  let text = '';
  for (let start = 0; start < line.length; ) {
    const end = start + textBytesOf(line.subarray(start));
    text += `${tools.text(line.subarray(start, end)) ?? ''}${end < line.length ? '\ufffd' : ''}`;
    start = end + 1;
  }
  return text;
}

/** The bytes of a line without its line feed, and the carriage return before it. */
export function withoutEnd(line: Uint8Array): Uint8Array {
  let end = line.length;
  if (line[end - 1] === lineFeed) end -= 1;
  if (line[end - 1] === carriageReturn) end -= 1;
  return line.subarray(0, end);
}

/** The first line of a text that is not empty; undefined where the bytes look like no text. */
export function firstLineOf(bytes: Uint8Array, tools: DecodeTools): string | undefined {
  let start = hasMark(bytes) ? byteOrderMarkBytes : 0;
  while (bytes[start] === lineFeed || bytes[start] === carriageReturn) start += 1;
  const end = bytes.indexOf(lineFeed, start);
  const line = end === -1 ? bytes.subarray(start) : bytes.subarray(start, end);
  return line.length === 0 || line.some(isControl) ? undefined : tools.text(withoutEnd(line));
}

/** UTF-8's byte order mark. */
export function hasMark(bytes: Uint8Array): boolean {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
}

/** Lines have none, but for tabs and their ends; binary formats have them in every length and number. */
function isControl(byte: number): boolean {
  return byte < 0x20 && byte !== tab && byte !== carriageReturn;
}

export const byteOrderMarkBytes = 3;

const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const tab = 0x09;

/** How many of the bytes are text in UTF-8 (The Unicode Standard, table 3-7), from the first on. */
function textBytesOf(bytes: Uint8Array): number {
  for (let at = 0; at < bytes.length; ) {
    const lead = bytes[at] as number;
    const more = lead < 0x80 ? 0 : lead >= 0xc2 && lead < 0xe0 ? 1 : lead >= 0xe0 && lead < 0xf0 ? 2 : 3;
    if ((lead >= 0x80 && lead < 0xc2) || lead > 0xf4) return at;
    // Neither longer than needed, nor half of a pair, nor beyond the last character.
    const least = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
    const most = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
    for (let part = 1; part <= more; part += 1) {
      const byte = bytes[at + part];
      if (byte === undefined || byte < (part === 1 ? least : 0x80) || byte > (part === 1 ? most : 0xbf)) return at;
    }
    at += more + 1;
  }
  return bytes.length;
}
