import { constants, zstdCompressSync } from 'node:zlib';
import type { Block } from '#shared/schemas/block.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { unzstdFrame } from './unzstd-frame.ts';

const fastest = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };
/** A block is cut at a bound of its JSON, so a larger one is not a block of ours. */
const blockJsonBytesMax = 64 * 1024 * 1024;

/** A block as the exchange carries it: JSON by column, compressed. */
export function encodeBlock(block: Block): Uint8Array {
  return zstdCompressSync(JSON.stringify(block), fastest);
}

/** Throws `BLOCK_UNREADABLE`, which stops the slot: passing over a block of ours would lose its records. */
export function decodeBlock(bytes: Uint8Array, where: string): Block {
  let block: unknown;
  try {
    block = JSON.parse(unzstdFrame(bytes, blockJsonBytesMax).toString());
  } catch (cause) {
    throw new MillraceError(
      'BLOCK_UNREADABLE',
      `${where} is not an exchange block (${bytes.length} bytes). The exchange stream belongs to Millrace alone; stop whoever else puts into it.`,
      { cause },
    );
  }
  if (!isBlock(block)) {
    throw new MillraceError(
      'BLOCK_UNREADABLE',
      `${where} is an exchange block of a version this host does not know. Deploy all hosts of a pipeline together.`,
    );
  }
  return block;
}

function isBlock(value: unknown): value is Block {
  return (
    typeof value === 'object' &&
    value !== null &&
    'version' in value &&
    value.version === 1 &&
    'slot' in value &&
    'routes' in value
  );
}
