import { constants, zstdCompressSync } from 'node:zlib';
import { BlockScanner, type KeyNumbers } from '#shared/engine/decode/block-scanner.ts';
import type { Block } from '#shared/schemas/block.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { decodeTools } from './decode-tools.ts';
import { unzstdFrame } from './unzstd-frame.ts';

const fastest = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };
/** A block is cut at a bound of its JSON, so a larger one is not a block of ours. */
const blockJsonBytesMax = 64 * 1024 * 1024;

/** A block as the exchange carries it: JSON by column, compressed. */
export function encodeBlock(block: Block): Uint8Array {
  return zstdCompressSync(JSON.stringify(block), fastest);
}

export interface DecodedBlock {
  readonly block: Block;
  /** See `ScannedBlock`. */
  readonly keyNumbers: readonly (KeyNumbers | undefined)[];
}

/** Decodes the blocks of some slots, of which it remembers the keys. */
export class BlockDecoder {
  readonly #scanner = new BlockScanner(decodeTools);

  /** Throws `BLOCK_UNREADABLE`, which stops the slot: passing over a block of ours would lose its records. */
  decode(bytes: Uint8Array, where: string): DecodedBlock {
    let value: unknown;
    let keyNumbers: DecodedBlock['keyNumbers'] = [];
    try {
      const json = unzstdFrame(bytes, blockJsonBytesMax);
      const scanned = this.#scanner.scan(json);
      value = scanned === undefined ? JSON.parse(json.toString()) : scanned.value;
      keyNumbers = scanned?.keyNumbers ?? [];
    } catch (cause) {
      throw new MillraceError(
        'BLOCK_UNREADABLE',
        `${where} is not an exchange block (${bytes.length} bytes). The exchange stream belongs to Millrace alone; stop whoever else puts into it.`,
        { cause },
      );
    }
    if (!isBlock(value)) {
      throw new MillraceError(
        'BLOCK_UNREADABLE',
        `${where} is an exchange block of a version this host does not know. Deploy all hosts of a pipeline together.`,
      );
    }
    return { block: value, keyNumbers };
  }
}

/** A block by itself; see `BlockDecoder.decode`. */
export function decodeBlock(bytes: Uint8Array, where: string): Block {
  return new BlockDecoder().decode(bytes, where).block;
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
