import { slotHashKey } from '#shared/engine/keys/key.ts';
import type { Clock } from '#shared/ports/clock.ts';
import type { Exchange, ExchangeEntry } from '#shared/ports/exchange.ts';
import type { Telemetry } from '#shared/ports/telemetry.ts';
import type { Block } from '#shared/schemas/block.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { encodeBlock } from './block-codec.ts';

/** After so many tries the batch fails and its source sends it again; nothing is given up. */
const putTriesMax = 12;
const backoffMsMin = 20;
const backoffMsMax = 1_000;

/** Rule 4: puts blocks, and what was refused or not answered again, until every one is accepted. */
export async function putBlocks(
  { exchange, clock, telemetry }: { readonly exchange: Exchange; readonly clock: Clock; readonly telemetry: Telemetry },
  blocks: readonly Block[],
): Promise<void> {
  await putEntries(
    { name: 'the exchange', exchange, clock, telemetry },
    blocks.map((block) => ({
      slot: block.slot,
      explicitHashKey: slotHashKey(block.slot, block.slots).toString(),
      bytes: encodeBlock(block),
    })),
  );
}

/** Puts entries, and what was refused or not answered again, until every one is accepted. */
export async function putEntries(
  {
    name,
    exchange,
    clock,
    telemetry,
  }: {
    /** Of the stream, for a message. */
    readonly name: string;
    readonly exchange: Exchange;
    readonly clock: Clock;
    readonly telemetry: Telemetry;
  },
  wanted: readonly ExchangeEntry[],
): Promise<void> {
  let entries = wanted;
  for (let tries = 1; entries.length > 0; tries += 1) {
    const refused = await exchange.put(entries);
    entries = refused.map((index) => entries[index] as ExchangeEntry);
    if (entries.length === 0) return;
    telemetry.metric('retries_total', entries.length, { operation: 'exchange-put' });
    if (tries === putTriesMax) {
      throw new MillraceError(
        'EXCHANGE_UNAVAILABLE',
        `${name} refused ${entries.length} of ${wanted.length} records ${tries} times; the batch will be sent again. Add shards to it if this goes on.`,
      );
    }
    await clock.sleep(Math.min(backoffMsMax, backoffMsMin * 2 ** (tries - 1)));
  }
}
