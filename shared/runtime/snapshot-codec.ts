import { Buffer } from 'node:buffer';
import { constants, crc32, zstdCompressSync } from 'node:zlib';
import type { Save, SaveKind, StatePart } from '#shared/engine/slots/memory-stage.ts';
import { migrate } from '#shared/engine/slots/state-versions.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { type Checkpoint, stateVersion } from '#shared/schemas/state.ts';
import { unzstdFrame } from './unzstd-frame.ts';

/**
 * A part of a save is one object of the blob store:
 *
 *     0        4         5      6          10       14             18
 *     "MRST"   version   kind   its index  crc32    payload bytes  payload: a StatePart, as JSON, zstd
 *
 * The checksum is of all but itself. So what is torn, cut short, turned over or somebody else's is told from a part of ours.
 */
const magic = 'MRST';
const headerBytes = 18;
const crcAt = 10;
const kinds = ['base', 'delta'] as const;

const fastest = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };
/** Characters of JSON that a part is closed at: memory while saving and restoring is bounded by some parts, whatever the state's size. */
export const partCharsMaxDefault = 4_000_000;

/** Makes the parts of a save, each as it is asked for. */
export function* encodeParts(save: Pick<Save, 'kind' | 'log' | 'entries'>, partCharsMax: number): Iterable<Uint8Array> {
  let index = 0;
  let start = `{"log":${JSON.stringify(save.log)},`;
  let texts: string[] = [];
  let chars = 0;
  const close = (): Uint8Array => {
    const payload = zstdCompressSync(Buffer.from(`${start}"entries":[${texts.join(',')}]}`), fastest);
    const part = frame({ kind: save.kind, index, payload });
    index += 1;
    start = '{';
    texts = [];
    chars = 0;
    return part;
  };
  for (const entry of save.entries) {
    const text = JSON.stringify(entry);
    texts.push(text);
    chars += text.length;
    if (chars >= partCharsMax) yield close();
  }
  if (index === 0 || texts.length > 0) yield close();
}

function frame({
  kind,
  index,
  payload,
}: {
  readonly kind: SaveKind;
  readonly index: number;
  readonly payload: Uint8Array;
}): Uint8Array {
  const bytes = Buffer.alloc(headerBytes + payload.length);
  bytes.write(magic, 'latin1');
  bytes.writeUInt8(stateVersion, 4);
  bytes.writeUInt8(kinds.indexOf(kind), 5);
  bytes.writeUInt32BE(index, 6);
  bytes.writeUInt32BE(payload.length, 14);
  bytes.set(payload, headerBytes);
  bytes.writeUInt32BE(checksumOf(bytes), crcAt);
  return bytes;
}

function checksumOf(bytes: Buffer): number {
  return crc32(bytes.subarray(crcAt + 4), crc32(bytes.subarray(0, crcAt)));
}

/** Reads a part back. Throws `BLOB_CORRUPT`, naming the object, when it is not what was written under this name. */
export function decodePart(
  object: Uint8Array,
  expected: { readonly name: string; readonly kind: SaveKind; readonly index: number; readonly checkpoint: Checkpoint },
): StatePart {
  const { name, kind, index, checkpoint } = expected;
  const bytes = Buffer.from(object.buffer, object.byteOffset, object.byteLength);
  const refuse = (what: string): never => {
    throw new MillraceError('BLOB_CORRUPT', `the object ${name} ${what}.`);
  };
  if (bytes.length < headerBytes || bytes.toString('latin1', 0, 4) !== magic)
    refuse(`is no part of a snapshot (${bytes.length} bytes)`);
  const payloadBytes = bytes.readUInt32BE(14);
  if (bytes.length !== headerBytes + payloadBytes)
    refuse(`has ${bytes.length} bytes where ${headerBytes + payloadBytes} were written`);
  if (bytes.readUInt32BE(crcAt) !== checksumOf(bytes))
    refuse('has other bytes than were written: its checksum differs');
  if (kinds[bytes.readUInt8(5)] !== kind || bytes.readUInt32BE(6) !== index)
    refuse(`is not part ${index} of a ${kind}, which it is named as`);
  const version = bytes.readUInt8(4);
  refuseNewer(version, `the object ${name}`);
  return migrate(parse(bytes.subarray(headerBytes)), version, checkpoint);
}

/** Reads the one object of version 1, which has no frame: zstd's checksum is not there either, but a part of it is no JSON. */
export function decodeWholeState(object: Uint8Array, name: string, checkpoint: Checkpoint): StatePart {
  let whole: unknown;
  try {
    whole = parse(object);
  } catch (cause) {
    throw new MillraceError(
      'BLOB_CORRUPT',
      `the object ${name} is no snapshot of version 1 (${object.length} bytes).`,
      {
        cause,
      },
    );
  }
  return migrate(whole, 1, checkpoint);
}

/** State of a version that is still to come is refused: reading it as an older one would lose what that cannot hold. */
export function refuseNewer(version: number, what: string): void {
  if (version <= stateVersion) return;
  throw new MillraceError(
    'STATE_UNREADABLE',
    `${what} holds state of version ${version}, and this host reads versions up to ${stateVersion}. Deploy the newer version of Millrace again.`,
  );
}

function parse(payload: Uint8Array): unknown {
  return JSON.parse(unzstdFrame(payload).toString());
}
