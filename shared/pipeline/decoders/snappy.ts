/**
 * What was compressed with Snappy, without a frame. Throws an Error when the bytes are not whole or hold more than `bytesMax`.
 * https://github.com/google/snappy/blob/main/format_description.txt
 */
export function unsnappy(bytes: Uint8Array, bytesMax: number): Uint8Array {
  let at = 0;
  const next = (): number => {
    const byte = bytes[at];
    if (byte === undefined) throw new Error('the end of what Snappy has compressed is missing');
    at += 1;
    return byte;
  };
  const little = (count: number): number => {
    let value = 0;
    for (let index = 0; index < count; index += 1) value += next() * 256 ** index;
    return value;
  };
  let length = 0;
  for (let scale = 1; ; scale *= 128) {
    const byte = next();
    length += (byte & 0x7f) * scale;
    if (byte < 0x80) break;
    if (scale >= 128 ** 4) throw new Error('the length of what Snappy has compressed takes more than 32 bits');
  }
  if (length > bytesMax) throw new Error(`it holds ${length} bytes, more than ${bytesMax}`);
  // Made as large as the bytes at hand can fill: a copy of 64 takes at least two bytes, more often three.
  if (length > bytes.length * 64) throw new Error('what Snappy has compressed is shorter than it says');
  const out = new Uint8Array(length);
  let made = 0;
  while (at < bytes.length) {
    const tag = next();
    const kind = tag & 3;
    if (kind === 0) {
      const size = tag >> 2;
      const count = (size < 60 ? size : little(size - 59)) + 1;
      if (count > bytes.length - at || count > length - made) throw new Error('a literal of Snappy is too long');
      out.set(bytes.subarray(at, at + count), made);
      at += count;
      made += count;
      continue;
    }
    const count = kind === 1 ? ((tag >> 2) & 7) + 4 : (tag >> 2) + 1;
    const offset = kind === 1 ? ((tag >> 5) << 8) + next() : little(kind === 2 ? 2 : 4);
    if (offset === 0 || offset > made || count > length - made) throw new Error('a copy of Snappy reaches too far');
    // A copy may reach into what it makes.
    for (let index = 0; index < count; index += 1) out[made + index] = out[made + index - offset] as number;
    made += count;
  }
  if (made !== length) throw new Error('what Snappy has compressed is shorter than it says');
  return out;
}
