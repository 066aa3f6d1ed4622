import { createGunzip, type Gunzip } from 'node:zlib';

/**
 * What the members of gzip hold, one behind the other. Zero bytes behind a member are padding, as tapes leave it; Node.js ends at the first of
 * them, and says nothing of members behind.
 */
export async function* gunzipped(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const iterator = chunks[Symbol.asyncIterator]();
  const next = async (): Promise<Buffer | undefined> => {
    const { done, value } = await iterator.next();
    return done === true ? undefined : value;
  };
  for (let rest = await next(); rest !== undefined; ) {
    const unpack = createGunzip();
    const feed = new Feed(unpack);
    void feed.feed(rest, next);
    yield* unpack as AsyncIterable<Buffer>;
    rest = await behindPadding(feed.rest, next);
  }
}

class Feed {
  readonly #unpack: Gunzip;
  #given = 0;
  /** What is behind the members. */
  rest: Buffer | undefined;

  constructor(unpack: Gunzip) {
    this.#unpack = unpack;
  }

  async feed(first: Buffer, next: () => Promise<Buffer | undefined>): Promise<void> {
    const unpack = this.#unpack;
    try {
      for (let chunk: Buffer | undefined = first; chunk !== undefined; chunk = await next()) {
        const given: Buffer = chunk;
        this.#given += given.length;
        await new Promise<void>((resolve) => unpack.write(given, () => resolve()));
        const restBytes = this.#given - unpack.bytesWritten;
        // What goes wrong is told to the reader.
        if (restBytes > 0) this.rest = given.subarray(given.length - restBytes);
        if (restBytes > 0 || unpack.destroyed) return;
      }
      unpack.end();
    } catch (error) {
      unpack.destroy(error as Error);
    }
  }
}

async function behindPadding(
  first: Buffer | undefined,
  next: () => Promise<Buffer | undefined>,
): Promise<Buffer | undefined> {
  for (let rest = first; rest !== undefined; rest = await next()) {
    const start = rest.findIndex((byte) => byte !== 0);
    if (start !== -1) return rest.subarray(start);
  }
  return undefined;
}
