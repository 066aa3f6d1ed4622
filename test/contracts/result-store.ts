import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ResultStore } from '#shared/ports/result-store.ts';
import { encodeKey } from '#shared/schemas/key.ts';
import { logPosition } from '#shared/schemas/position.ts';
import { type Row, rowOrder, type TotalPartial } from '#shared/schemas/row.ts';

/** What every ResultStore must do. `open` gives an empty one. */
export function resultStoreContract(name: string, open: () => Promise<ResultStore>): void {
  describe(`${name} keeps rows`, () => {
    test('a row that was never written is undefined', async () => {
      const store = await open();
      expect(await readRow(store, 'ip=1')).toBeUndefined();
    });

    test('a row is read as it was written', async () => {
      const store = await open();
      const written = row({ final: true });
      expect(await store.writeRows([written])).toEqual({ fenced: 0 });
      expect(await readRow(store, written.key)).toEqual(written);
    });

    test('the time of expiry is kept to the second, rounded up', async () => {
      const store = await open();
      await store.writeRows([row({ expiresMs: 1_500_000_000_001 })]);
      expect((await readRow(store, 'ip=1'))?.expiresMs).toBe(1_500_000_001_000);
    });

    const columns = [
      { claim: 'numbers', columns: { a: 0, b: -1.5, c: 2 ** 53, d: 0.1, e: 123456789.12345678 } },
      {
        claim: 'the extremes of numbers',
        columns: { a: Number.MAX_VALUE, b: Number.MIN_VALUE, c: -Number.MAX_VALUE, d: 1e126, e: 1e-130 },
      },
      {
        claim: 'what is not a finite number',
        columns: { a: Number.POSITIVE_INFINITY, b: Number.NEGATIVE_INFINITY, c: Number.NaN },
      },
      { claim: 'texts, also empty ones', columns: { a: '', b: 'é😀\u0000"' } },
      { claim: 'truths and nothing', columns: { a: true, b: false, c: null } },
      {
        claim: 'lists and objects',
        columns: {
          top: [
            { key: 'a', count: 1 },
            { key: 'b', count: [1.5, null] },
          ],
          none: [],
          empty: {},
        },
      },
      { claim: 'whole numbers of any size', columns: { a: 2n ** 70n } },
      { claim: 'names of our own attributes', columns: { windowKey: 1, wholeKey: 'x', ttl: 2, position: 'p', pk: 3 } },
      { claim: 'no columns', columns: {} },
    ];
    test.each(columns)('a row of $claim is read as it was written', async ({ columns: written }) => {
      const store = await open();
      await store.writeRows([row({ columns: written })]);
      expect((await readRow(store, 'ip=1'))?.columns).toEqual(written);
    });

    test('a column without a value is left out', async () => {
      const store = await open();
      await store.writeRows([row({ columns: { a: 1, b: undefined } })]);
      expect(Object.keys((await readRow(store, 'ip=1'))?.columns ?? {})).toEqual(['a']);
    });

    const keys = [
      { claim: 'several columns of different types', key: encodeKey({ ip: '1.2.3.4', status: 200, ok: true }) },
      { claim: 'special characters', key: encodeKey({ path: '/a#b=c&d%\u0000é' }) },
      { claim: 'a lone surrogate', key: encodeKey({ path: '\ud800' }) },
      {
        claim: 'columns with names of our own attributes',
        key: encodeKey({ view: 'v', final: false, window: 'w', pk: 1 }),
      },
      { claim: 'a column that is aggregated too', key: encodeKey({ bytes: 5 }) },
      { claim: 'an empty text', key: encodeKey({ ip: '' }) },
      { claim: 'as many bytes as are allowed', key: encodeKey({ ip: 'x'.repeat(1_021) }) },
      { claim: 'as many bytes as are allowed, three a character', key: encodeKey({ ip: `x${'語'.repeat(340)}` }) },
      { claim: 'as many bytes as are allowed, in surrogate pairs', key: encodeKey({ ip: `x${'😀'.repeat(255)}` }) },
    ];
    test.each(keys)('a row whose key has $claim is found every way', async ({ key }) => {
      const store = await open();
      const written = row({ key });
      await store.writeRows([written]);
      expect(await readRow(store, key)).toEqual(written);
      expect(await store.rowsOfKey({ view: 'by-ip', key, ...always })).toEqual([written]);
      expect(await store.rowsOfView({ view: 'by-ip', ...always })).toEqual([written]);
    });

    test('long keys that differ at their end only are different keys', async () => {
      const store = await open();
      const rows = ['a', 'b'].map((end) => row({ key: encodeKey({ ip: '語'.repeat(340) + end }), columns: { end } }));
      await store.writeRows(rows);
      expect(await store.rowsOfView({ view: 'by-ip', ...always })).toHaveLength(2);
      for (const written of rows) expect(await readRow(store, written.key)).toEqual(written);
    });

    test('what a caller changes after a write is not stored', async () => {
      const store = await open();
      const top = [{ key: 'a', count: 1 }];
      await store.writeRows([row({ columns: { top } })]);
      top.push({ key: 'b', count: 2 });
      expect((await readRow(store, 'ip=1'))?.columns).toEqual({ top: [{ key: 'a', count: 1 }] });
    });
  });

  describe(`${name} lets only the strictly newer row win`, () => {
    const orders = [
      {
        claim: 'a higher position beats a lower one',
        before: { final: false, p: 1 },
        after: { final: false, p: 2 },
        wins: true,
      },
      {
        claim: 'a position of more digits beats one of fewer',
        before: { final: false, p: 9 },
        after: { final: false, p: 10 },
        wins: true,
      },
      { claim: 'an equal position loses', before: { final: false, p: 2 }, after: { final: false, p: 2 }, wins: false },
      { claim: 'a lower position loses', before: { final: false, p: 3 }, after: { final: false, p: 2 }, wins: false },
      {
        claim: 'a final row beats an equal position',
        before: { final: false, p: 2 },
        after: { final: true, p: 2 },
        wins: true,
      },
      {
        claim: 'a final row beats a higher position',
        before: { final: false, p: 9 },
        after: { final: true, p: 2 },
        wins: true,
      },
      {
        claim: 'a row that is not final loses to a final one',
        before: { final: true, p: 2 },
        after: { final: false, p: 9 },
        wins: false,
      },
      { claim: 'an equal final row loses', before: { final: true, p: 2 }, after: { final: true, p: 2 }, wins: false },
    ];
    test.each(orders)('$claim', async ({ before, after, wins }) => {
      const store = await open();
      const rowAt = ({ final, p }: { final: boolean; p: number }, value: string) =>
        row({ final, position: logPosition(1, String(p)), columns: { value } });
      await store.writeRows([rowAt(before, 'before')]);
      expect(await store.writeRows([rowAt(after, 'after')])).toEqual({ fenced: wins ? 0 : 1 });
      expect((await readRow(store, 'ip=1'))?.columns).toEqual({ value: wins ? 'after' : 'before' });
      expect((await store.rowsOfView({ view: 'by-ip', ...always }))[0]?.columns).toEqual({
        value: wins ? 'after' : 'before',
      });
    });

    test('each fenced row of a call is counted', async () => {
      const store = await open();
      const rows = Array.from({ length: 40 }, (_, ip) => row({ key: `ip=${ip}` }));
      await store.writeRows(rows.slice(0, 15));
      expect(await store.writeRows(rows)).toEqual({ fenced: 15 });
    });

    test('rows never go backwards under any interleaving of writers, and end at the newest', async () => {
      const write = fc.record({ final: fc.boolean(), p: fc.nat(120), key: fc.nat(1) });
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.array(write, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 8 }),
          async (calls) => {
            const store = await open();
            const newest = new Map<string, Row>();
            const seen: Row[] = [];
            const watch = async () => {
              for (let count = 0; count < calls.length; count += 1) {
                const read = await readRow(store, 'ip=0');
                if (read !== undefined) seen.push(read);
              }
            };
            const writing = calls.map((writes) => {
              const rows = writes.map(({ final, p, key }) =>
                row({
                  key: `ip=${key}`,
                  final,
                  position: logPosition(1, String(p)),
                  columns: { order: `${final}${p}` },
                }),
              );
              for (const written of rows) {
                const before = newest.get(written.key);
                if (before === undefined || rowOrder(written) > rowOrder(before)) newest.set(written.key, written);
              }
              return store.writeRows(rows);
            });
            await Promise.all([watch(), ...writing]);
            const orders = seen.map(rowOrder);
            expect(orders).toEqual([...orders].sort());
            for (const [key, expected] of newest) expect(await readRow(store, key)).toEqual(expected);
          },
        ),
        { numRuns: 25 },
      );
    });
  });

  describe(`${name} finds rows by time`, () => {
    test('rows of a key start in [from, to), ascending', async () => {
      const store = await open();
      await store.writeRows([3, 1, 2, 4].map((minute) => row({ windowStartMs: minute * 60_000 })));
      await store.writeRows([
        row({ key: 'ip=2', windowStartMs: 120_000 }),
        row({ view: 'by-ip-2', windowStartMs: 120_000 }),
      ]);
      const found = await store.rowsOfKey({ view: 'by-ip', key: 'ip=1', fromMs: 60_000, toMs: 240_000, rowsMax: 10 });
      expect(found.map((read) => read.windowStartMs)).toEqual([60_000, 120_000, 180_000]);
      expect(new Set(found.map((read) => `${read.view} ${read.key}`))).toEqual(new Set(['by-ip ip=1']));
    });

    test('rows of a key are at most rowsMax, the first ones', async () => {
      const store = await open();
      await store.writeRows([3, 1, 2].map((minute) => row({ windowStartMs: minute * 60_000 })));
      const found = await store.rowsOfKey({ view: 'by-ip', key: 'ip=1', ...always, rowsMax: 2 });
      expect(found.map((read) => read.windowStartMs)).toEqual([60_000, 120_000]);
    });

    test('rows of a view start in [from, to), by start, then by key', async () => {
      const store = await open();
      const starts = [day + 60_000, day, day - 1, day - 60_000, day + 59_999];
      await store.writeRows(
        starts.flatMap((windowStartMs) => ['ip=b', 'ip=a', 'ip=a0'].map((key) => row({ key, windowStartMs }))),
      );
      await store.writeRows([row({ view: 'by-ip-2', windowStartMs: day })]);
      const found = await store.rowsOfView({ view: 'by-ip', fromMs: day - 60_000, toMs: day + 60_000, rowsMax: 100 });
      expect(found.map((read) => [read.windowStartMs - day, read.key])).toEqual(
        [-60_000, -1, 0, 59_999].flatMap((offset) => ['ip=a', 'ip=a0', 'ip=b'].map((key) => [offset, key])),
      );
    });

    test('keys beyond the first plane of Unicode come last', async () => {
      const store = await open();
      await store.writeRows(['ip=😀', 'ip=\ufffd', 'ip=z'].map((key) => row({ key })));
      const found = await store.rowsOfView({ view: 'by-ip', ...always });
      expect(found.map((read) => read.key)).toEqual(['ip=z', 'ip=\ufffd', 'ip=😀']);
    });

    test.each([1, 4, 5, 6, 9, 99])('rows of a view are at most %d, the first ones', async (rowsMax) => {
      const store = await open();
      const rows = [0, 1, 2].flatMap((offset) =>
        [1, 2, 3].map((ip) => row({ key: `ip=${ip}`, windowStartMs: offset * day })),
      );
      await store.writeRows(rows);
      const found = await store.rowsOfView({ view: 'by-ip', ...always, rowsMax });
      expect(found).toEqual(rows.slice(0, rowsMax));
    });

    test('rows of a key may be more than a page holds', async () => {
      const store = await open();
      const text = 'x'.repeat(150_000);
      const rows = Array.from({ length: 12 }, (_, minute) =>
        row({ windowStartMs: minute * 60_000, columns: { text } }),
      );
      await store.writeRows(rows);
      expect(await store.rowsOfKey({ view: 'by-ip', key: 'ip=1', ...always })).toEqual(rows);
    });

    test('rows of a view may be more than a page holds', async () => {
      const store = await open();
      const rows = Array.from({ length: 12 }, (_, ip) =>
        row({ key: `ip=${String(ip).padStart(2, '0')}`, columns: { text: `${ip}`.repeat(150_000) } }),
      );
      await store.writeRows(rows);
      expect(await store.rowsOfView({ view: 'by-ip', ...always })).toEqual(rows);
    });

    const ranges = [
      { claim: 'an empty range', fromMs: 60_000, toMs: 60_000 },
      { claim: 'a range that ends before it begins', fromMs: 60_000, toMs: 0 },
      { claim: 'a range before every row', fromMs: Number.NEGATIVE_INFINITY, toMs: 60_000 },
      { claim: 'a range behind every row', fromMs: 60_001, toMs: Number.POSITIVE_INFINITY },
    ];
    test.each(ranges)('$claim has no rows', async ({ fromMs, toMs }) => {
      const store = await open();
      await store.writeRows([row({ windowStartMs: 60_000 })]);
      expect(await store.rowsOfView({ view: 'by-ip', fromMs, toMs, rowsMax: 9 })).toEqual([]);
      expect(await store.rowsOfKey({ view: 'by-ip', key: 'ip=1', fromMs, toMs, rowsMax: 9 })).toEqual([]);
    });

    test('windows are in order from before year 0 to after year 9999', async () => {
      const store = await open();
      const starts = [
        -8.64e15, -70_000_000_000_000, -62_167_219_200_001, -62_135_596_800_000, -1, 0, 1, 253_402_300_799_999,
        253_402_300_800_000, 8.63e15,
      ];
      const rows = starts.map((windowStartMs) => row({ windowStartMs, windowEndMs: windowStartMs + 1 }));
      await store.writeRows([...rows].reverse());
      expect(await store.rowsOfView({ view: 'by-ip', ...always })).toEqual(rows);
      expect(await store.rowsOfKey({ view: 'by-ip', key: 'ip=1', ...always })).toEqual(rows);
      expect(await store.newestWindow('by-ip')).toBe(8.63e15);
    });

    test('sessions, which start at any millisecond and have any length, are found by their start', async () => {
      const store = await open();
      const session = row({ view: 'visits', windowStartMs: day - 7, windowEndMs: day + 3 * 3_600_000 });
      await store.writeRows([session]);
      expect(await store.rowsOfView({ view: 'visits', fromMs: day - 7, toMs: day - 6, rowsMax: 9 })).toEqual([session]);
      expect(await store.rowsOfView({ view: 'visits', fromMs: day - 6, toMs: day + day, rowsMax: 9 })).toEqual([]);
    });

    test('sessions of one key that start together, or end together, are rows of their own', async () => {
      const store = await open();
      const session = (windowStartMs: number, windowEndMs: number, key = 'ip=1') =>
        row({ windowStartMs, windowEndMs, key, final: true, columns: { windowEndMs } });
      const rows = [session(day, day + 1_000), session(day, day + 20_000), session(day + 1, day + 20_000)];
      expect(await store.writeRows([...rows].reverse())).toEqual({ fenced: 0 });
      expect(await store.rowsOfKey({ view: 'by-ip', key: 'ip=1', ...always })).toEqual(rows);
      const other = session(day, day + 5, 'ip=2');
      await store.writeRows([other]);
      expect(await store.rowsOfView({ view: 'by-ip', ...always })).toEqual([rows[0], rows[1], other, rows[2]]);
    });

    test('joined rows of one key and the same times are told apart by their ids, and a write of one again is one row', async () => {
      const store = await open();
      const pair = (id: string, windowEndMs = day + 5, key = 'ip=1') =>
        row({ id, key, windowStartMs: day, windowEndMs, final: true, columns: { path: id, leftTime: null } });
      const longest = (end: string) => `${'shardId-'.padEnd(128, '0')}/${'9'.repeat(128)}/${2 ** 53}`.repeat(2) + end;
      const rows = [
        pair('z+', day),
        ...['+b/1/0', 'a#/1/0+', 'a/1/0+b/1/0', 'a/1/0+b/2/0'].map((id) => pair(id)),
        ...['+a', '+b'].map((end) => pair(longest(end))),
      ];
      expect(await store.writeRows([...rows].reverse())).toEqual({ fenced: 0 });
      expect(await store.writeRows(rows)).toEqual({ fenced: rows.length });
      expect(await store.rowsOfKey({ view: 'by-ip', key: 'ip=1', ...always })).toEqual(rows);
      const other = pair('a/1/0+b/1/0', day + 5, 'ip=2');
      await store.writeRows([other]);
      expect(await store.rowsOfView({ view: 'by-ip', ...always })).toEqual([...rows, other]);
    });

    const shown = (windowStartMs: number, windowEndMs: number, sequence: string, part: Partial<Row> = {}): Row =>
      row({ windowStartMs, windowEndMs, position: logPosition(1, sequence), provisional: 'shown', ...part });
    const gone = (windowStartMs: number, sequence: string, part: Partial<Row> = {}): Row =>
      shown(windowStartMs, windowStartMs, sequence, { provisional: 'gone', columns: {}, ...part });

    test('a provisional row is that of its start, whatever its end is, beside final ones', async () => {
      const store = await open();
      const rows = [shown(day, day + 9, '2'), row({ windowStartMs: day, windowEndMs: day + 5, final: true })];
      await store.writeRows([shown(day, day + 7, '1'), ...rows.slice(1)]);
      expect(await store.writeRows(rows)).toEqual({ fenced: 1 });
      expect(await store.rowsOfKey({ view: 'by-ip', key: 'ip=1', ...always })).toEqual(rows);
      expect(await store.rowsOfView({ view: 'by-ip', ...always })).toEqual(rows);
    });

    test('provisional rows of one start are told apart by their ids', async () => {
      const store = await open();
      const rows = [shown(day, day + 1, '1'), shown(day, day + 1, '1', { id: '000001' })];
      expect(await store.writeRows(rows)).toEqual({ fenced: 0 });
      expect(await store.rowsOfKey({ view: 'by-ip', key: 'ip=1', ...always })).toEqual(rows);
      await store.writeRows([gone(day, '2', { id: '000001' })]);
      expect(await store.rowsOfView({ view: 'by-ip', ...always })).toEqual(rows.slice(0, 1));
    });

    test('what is gone is not given, and no older writer shows it again', async () => {
      const store = await open();
      await store.writeRows([shown(day, day + 9, '1'), shown(3 * day, 3 * day + 9, '1')]);
      expect(await store.writeRows([gone(3 * day, '3')])).toEqual({ fenced: 0 });
      expect(await store.writeRows([shown(3 * day, 3 * day + 7, '2')])).toEqual({ fenced: 1 });
      expect(await store.rowsOfKey({ view: 'by-ip', key: 'ip=1', ...always })).toEqual([shown(day, day + 9, '1')]);
      expect(await store.rowsOfView({ view: 'by-ip', ...always })).toEqual([shown(day, day + 9, '1')]);
      expect(await store.newestWindow('by-ip')).toBe(day);
      const again = shown(3 * day, 3 * day + 7, '4');
      expect(await store.writeRows([again])).toEqual({ fenced: 0 });
      expect(await store.newestWindow('by-ip')).toBe(3 * day);
    });

    test('rows that are gone count with none that are asked for', async () => {
      const store = await open();
      await store.writeRows([1, 2, 3].map((start) => gone(start, '1')));
      await store.writeRows([shown(4, 9, '1')]);
      const found = await store.rowsOfKey({ view: 'by-ip', key: 'ip=1', ...always, rowsMax: 1 });
      expect(found).toEqual([shown(4, 9, '1')]);
    });

    test('what was never shown may be gone', async () => {
      const store = await open();
      await store.writeRows([gone(day, '1')]);
      expect(await store.rowsOfView({ view: 'by-ip', ...always })).toEqual([]);
      expect(await store.newestWindow('by-ip')).toBeUndefined();
    });

    test('the newest window of a view is the highest start of any key', async () => {
      const store = await open();
      await store.writeRows(
        [day + 5, 40 * day, 3 * day].map((windowStartMs, ip) => row({ key: `ip=${ip}`, windowStartMs })),
      );
      await store.writeRows([40 * day - 1, 40 * day + 9].map((windowStartMs) => row({ key: 'ip=9', windowStartMs })));
      await store.writeRows([row({ view: 'by-ip-2', windowStartMs: 50 * day })]);
      expect(await store.newestWindow('by-ip')).toBe(40 * day + 9);
    });

    test('a view without rows has no newest window', async () => {
      const store = await open();
      await store.writeTotals([total({})]);
      expect(await store.newestWindow('by-ip')).toBeUndefined();
    });

    test('any rows are found as a plain filter and sort would find them', async () => {
      const written = fc.record({ ip: fc.nat(4), windowStartMs: fc.integer({ min: -3 * day, max: 3 * day }) });
      const bound = fc.integer({ min: -4 * day, max: 4 * day });
      await fc.assert(
        fc.asyncProperty(
          fc.uniqueArray(written, { maxLength: 12, selector: (it) => `${it.ip} ${it.windowStartMs}` }),
          bound,
          bound,
          fc.integer({ min: 1, max: 12 }),
          async (rows, fromMs, toMs, rowsMax) => {
            const store = await open();
            const all = rows.map(({ ip, windowStartMs }) => row({ key: `ip=${ip}`, windowStartMs }));
            await store.writeRows(all);
            const sorted = all.sort((a, b) => a.windowStartMs - b.windowStartMs || (a.key < b.key ? -1 : 1));
            const within = sorted.filter((it) => it.windowStartMs >= fromMs && it.windowStartMs < toMs);
            expect(await store.rowsOfView({ view: 'by-ip', fromMs, toMs, rowsMax })).toEqual(within.slice(0, rowsMax));
            expect(await store.newestWindow('by-ip')).toBe(sorted.at(-1)?.windowStartMs);
          },
        ),
        { numRuns: 25 },
      );
    });
  });

  describe(`${name} keeps totals`, () => {
    test('a window without totals has none', async () => {
      const store = await open();
      expect(await store.readTotals('by-ip', 0)).toEqual([]);
    });

    test('every slot has its partial of a window, in the order of slots', async () => {
      const store = await open();
      const partials = [0, 2, 10, 900].map((slot) => total({ slot }));
      await store.writeTotals([...partials].reverse());
      await store.writeTotals([total({ windowStartMs: 60_000 }), total({ view: 'by-ip-2' })]);
      expect(await store.readTotals('by-ip', 0)).toEqual(partials);
    });

    test('windows that start together and end apart have totals apart', async () => {
      const store = await open();
      const partials = [total({ slot: 0 }), total({ slot: 0, windowEndMs: 75_000 }), total({ slot: 1 })];
      await store.writeTotals([...partials].reverse());
      expect(await store.readTotals('by-ip', 0)).toEqual(partials);
    });

    test('a partial is read as it was written, however large its accumulators', async () => {
      const store = await open();
      const written = total({
        columns: { p99: { bins: Array.from({ length: 5_000 }, (_, i) => [i, i * 1.5]) }, n: null },
      });
      await store.writeTotals([written]);
      expect(await store.readTotals('by-ip', 0)).toEqual([written]);
    });

    test('a partial wins only over a strictly lower order', async () => {
      const store = await open();
      const totalAt = (p: number, final: boolean) =>
        total({ final, position: logPosition(1, String(p)), columns: { p } });
      const fenced: number[] = [];
      for (const written of [
        totalAt(5, false),
        totalAt(4, false),
        totalAt(5, false),
        totalAt(12, false),
        totalAt(5, true),
        totalAt(13, false),
      ]) {
        fenced.push((await store.writeTotals([written])).fenced);
      }
      expect(fenced).toEqual([0, 1, 1, 0, 0, 1]);
      expect(await store.readTotals('by-ip', 0)).toEqual([totalAt(5, true)]);
    });

    test('totals are not among the rows of the view', async () => {
      const store = await open();
      await store.writeTotals([total({})]);
      expect(await store.rowsOfView({ view: 'by-ip', ...always })).toEqual([]);
    });
  });
}

/** The row of a key that has but one. */
async function readRow(store: ResultStore, key: string): Promise<Row | undefined> {
  const [found, ...others] = await store.rowsOfKey({ view: 'by-ip', key, ...always });
  expect(others).toEqual([]);
  return found;
}

const day = 86_400_000;
const always = { fromMs: Number.NEGATIVE_INFINITY, toMs: Number.POSITIVE_INFINITY, rowsMax: 1_000 };

function row(part: Partial<Row>): Row {
  const windowStartMs = part.windowStartMs ?? 0;
  return {
    view: 'by-ip',
    key: 'ip=1',
    windowStartMs,
    windowEndMs: windowStartMs + 60_000,
    final: false,
    position: logPosition(1, '1'),
    columns: { requests: 3, bytes: 1_234.5 },
    expiresMs: 4_000_000_000_000,
    ...part,
  };
}

function total(part: Partial<TotalPartial>): TotalPartial {
  const windowStartMs = part.windowStartMs ?? 0;
  return {
    view: 'by-ip',
    slot: 0,
    windowStartMs,
    windowEndMs: windowStartMs + 60_000,
    final: false,
    position: logPosition(1, '1'),
    columns: { bytes: [1, 2] },
    expiresMs: 4_000_000_000_000,
    ...part,
  };
}
