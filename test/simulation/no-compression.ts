/** Takes the place of `node:zlib` in the runtime while thousands of seeds run: packing would take most of their time. */
export { crc32, gunzipSync, inflateRawSync } from 'node:zlib';
export const constants = { ZSTD_c_compressionLevel: 0 };

export function zstdCompressSync(data: string | Uint8Array): Uint8Array {
  return Buffer.from(data as Uint8Array);
}

export function zstdDecompressSync(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes);
}

export function gzipSync(data: Uint8Array): Uint8Array {
  return data;
}
