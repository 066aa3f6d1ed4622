import { describe, expect, test } from 'vitest';
import { onlyFieldInSourceOf, readsInSourceOf } from '#shared/engine/compile/callback-source.ts';
import type { Need } from '#shared/engine/compile/need.ts';
import type { AnyFunction } from '#shared/pipeline/reads.ts';

/** `bid.price` for a field that is read, `*` for all that is below. */
function textsOf(need: Need | undefined, path = ''): readonly string[] {
  if (need === undefined) return [];
  if (need.isWhole) return [`${path}*`];
  const inner = [...need.fields].flatMap(([name, field]) => textsOf(field, `${path}${name}.`));
  return inner.length === 0 ? [`${path}?`] : inner;
}

const readsOf = (call: AnyFunction): readonly string[] | undefined => {
  const reads = readsInSourceOf(call);
  return reads && [...textsOf(reads.need), ...reads.results.map((path) => `= ${path.join('.')}`)].sort();
};

// biome-ignore lint/suspicious/noExplicitAny: what callbacks are given is of no matter here.
type Any = any;

/** Written as texts, since no linter would have them. */
const madeOf = (text: string): AnyFunction => new Function(`'use strict'; return (${text});`)() as AnyFunction;

describe('fields that are read with their names', () => {
  const cases: Readonly<Record<string, readonly [call: AnyFunction, reads: readonly string[]]>> = {
    'one field': [(r: Any) => r.price, ['= price', '?']],
    'a field of a field': [(r: Any) => r.bid.price * 2, ['bid.price.*']],
    'a field behind ?.': [(r: Any) => r.bid?.price ?? 0, ['= bid.price', 'bid.price.?']],
    'a name in brackets': [(r: Any) => `${r['price']}`, ['price.*']],
    'a parameter taken apart': [({ bid: { price }, rate = 1 }: Any) => price * rate, ['bid.price.*', 'rate.*']],
    'a constant': [
      (r: Any) => {
        const { bid } = r;
        const rate = bid.rate;
        return [bid.price, rate];
      },
      ['bid.price.*', 'bid.rate.*'],
    ],
    'a function that uses a name that is declared below it': [
      (r: Any) => {
        const price = () => bid.price + 0;
        const bid = r.bid;
        return [price()];
      },
      ['bid.price.*'],
    ],
    'one part or another': [
      (r: Any) => (r.kind === 0 ? r.person : r.auction)?.dateTime + 0,
      ['auction.dateTime.*', 'kind.?', 'person.dateTime.*'],
    ],
    'a switch': [
      ({ kind, person, bid }: Any) => {
        switch (kind) {
          case 0:
            return person?.at ?? Number.NaN;
          default:
            return bid.at;
        }
      },
      ['= bid.at', '= person.at', 'bid.?', 'kind.*', 'person.at.?'],
    ],
    'whether there is one': [(r: Any) => r.bid !== undefined && !r.person, ['bid.?', 'person.?']],
    'whether it has a field': [(r: Any) => ('bid' in r ? [r.bid.price] : []), ['bid.price.*']],
    'in a function inside': [(r: Any) => [1, 2].some((one) => one === r.price), ['price.?']],
    'a method of a value': [(r: Any) => r.name.toUpperCase(), ['name.*']],
    'in a key': [(r: Any) => ({ ip: r.ip, [r.name]: 1, kind: 'x' }), ['ip.*', 'name.*']],
    nothing: [() => 0, []],
    'the record as it is': [(r: Any) => r, ['= ']],
    'a part as it is': [(r: Any) => r.bid, ['= bid', '?']],
  };
  for (const [name, [call, reads]] of Object.entries(cases))
    test(name, () => {
      expect(readsOf(call)).toEqual([...reads].sort());
    });
});

describe('a callback that may hand its record to somebody needs all of it', () => {
  const leaks: Readonly<Record<string, string>> = {
    'passed on': '(r) => keep(r)',
    'passed on to a method': '(r) => known.has(r)',
    'passed on to new': '(r) => new Set(r)',
    'passed on, maybe': '(r) => keep?.(r)',
    'passed on to import': '(r) => import(r)',
    'spread into a call': '(r) => Math.max(...r)',
    'spread into an object': '(r) => ({ ...r })',
    'spread into a list': '(r) => [...r]',
    'in a list': '(r) => [r][0].price',
    'in an object': '(r) => ({ r })',
    'as a value of an object': '(r) => ({ a: r }).a.price',
    'kept outside': '(r) => { kept = r; return kept.price; }',
    'kept outside, unless there is one': '(r) => { kept ??= r; return kept.price; }',
    'kept in a variable': '(r) => { let other; other = r; return other.price; }',
    'kept in a let': '(r) => { let other = r; other = other.inner; return other.price; }',
    'kept in a var': '(r) => { var other = r; return other.price; }',
    'kept in a field of another': '(r) => { const other = {}; other.r = r; return other.r.price; }',
    'a field with a name that is computed': '(r) => r[kept]',
    'a field with a name that is made': '(r) => r["pr" + "ice"]',
    'a field with a template for a name': '(r) => r[`price`]',
    'a number for a name': '(r) => r[0]',
    in: '(r) => kept in r',
    'in, of a name that is made': '(r) => (kept + kept) in r',
    instanceof: '(r) => r instanceof Holder',
    'for in': '(r) => { for (const name in r) keep(name); }',
    'for of': '(r) => { for (const name of r) keep(name); }',
    for: '(r) => { for (let other = r; other; other = other.next) keep(other.price); }',
    'the rest of its fields': '({ price, ...others }) => [price, others]',
    'the rest of its fields, later': '(r) => { const { price, ...others } = r; return [price, others]; }',
    'fields with names that are computed': '({ [kept]: price }) => price',
    'a list': '([first]) => first',
    'a list, later': '(r) => { const [first] = r; return first; }',
    'all arguments': '(...all) => all[0].price',
    arguments: 'function (r) { return arguments[0].price; }',
    'arguments, inside an arrow': 'function (r) { return (() => arguments)()[0].price; }',
    eval: "(r) => eval('r.price')",
    'a later parameter': '(r, all = r) => all.price',
    'a default': '(r, price = JSON.stringify(r)) => price',
    'a method of the record': '(r) => r.valueOf().price',
    'a method of the record, maybe': '(r) => r?.valueOf?.().price',
    'a method of the record, in parentheses': '(r) => (r?.toString)()',
    'a method of the record with a name that is computed': '(r) => r[Symbol.toPrimitive]()',
    'a tag of the record': '(r) => r.tag`x`',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of a callback.
    'a tag': '(r) => tag`${r}`',
    'called itself': '(r) => r()',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of a callback.
    'a text': '(r) => `${r}`',
    added: '(r) => r + 1',
    'compared loosely': '(r) => r == kept',
    thrown: '(r) => { throw r; }',
    'thrown and caught': '(r) => { try { throw r; } catch (other) { return other.price; } }',
    'deleted from': '(r) => delete r.price',
    'deleted from, maybe': '(r) => delete r?.price',
    'written to': '(r) => { r.price = 1; }',
    'counted up': '(r) => { r.count++; }',
    'added to': '(r) => { r.price += 1; }',
    'written to, inside': '(r) => { r.inner.price = 1; }',
    'taken apart into others': '(r) => { const other = {}; ({ price: other.price } = r); return other; }',
    'taken apart into itself': '(r) => { ({ inner: r.price } = kept); }',
    'returned by a function inside': '(r) => { const get = () => r; return get().price; }',
    'returned by a function inside, with a body': '(r) => { function get() { return r; } return get().price; }',
    'returned by a getter': '(r) => ({ get it() { return r; } })',
    yielded: 'function* (r) { yield r; }',
    'waited for': 'async (r) => { await r; }',
    'in a class': '(r) => class { static it = r; }',
    'a base of a class': '(r) => class extends r {}',
    'a decorator of a class': '(r) => class { [r] = 1; }',
    'one of two': '(r) => keep(r.price > 0 ? r : undefined)',
    'one or another': '(r) => keep(r ?? kept)',
    'behind &&': '(r) => keep(r.price && r)',
    'before a comma': '(r) => (keep(r), 1)',
    'behind a comma': '(r) => (1, r).price',
    shadowed: '(r) => [[{ price: 1 }].map((r) => r.price), keep(r)]',
    'shadowed by what is not the record': '(r) => { const r2 = r; { const r2 = kept; keep(r2); } return r2.price; }',
    'shadowed by a var': '(r) => { var r = r; return keep(r); }',
    'shadowed by a function': '(r) => { function r() {} return r.price; }',
    'shadowed by a name in a catch': '(r) => { try { keep(); } catch (r) { return r.price; } return r.price; }',
    'the name of the function': 'function r(r) { return r.price; }',
    'a label with its name': '(r) => { r: for (;;) break r; return keep(r); }',
    'ever deeper':
      '(r) => { const get = () => next.deeper; const next = kept ? r : get().x; const b = () => c.x; const c = next.y ?? b(); return keep(r); }',
    'ever deeper, without end':
      '(r) => { const get = () => next.deeper; const next = kept ? r : (0 || next.deeper); return next.price; }',
    'a function that is made by a helper': '((inner) => (r) => inner(r))((r) => r.price)',
    'a bound function': '((r) => r.price).bind(undefined)',
    'a native function': 'JSON.stringify',
    'a proxy': 'new Proxy((r) => r.price, {})',
    'a method': '({ it(r) { return r.price; } }).it',
    'a method of a class': '(class { static it(r) { return r.price; } }).it',
    'a class': 'class { constructor(r) { this.price = r.price; } }',
    'in what only a module takes for a comment':
      '(r) => { const x = 1 <!-- /*\n; keep(r);\n--> */ y\n; return r.price + x; }',
    'a function with a text of its own': "Object.assign((r) => keep(r), { toString: () => '(r) => r.price' })",
  };
  for (const [name, text] of Object.entries(leaks))
    test(name, () => {
      const reads = readsOf(madeOf(text));
      expect(reads === undefined || reads.includes('*'), `${reads}`).toBe(true);
    });

  test('a function whose arguments others may ask for', () => {
    const old = new Function('r', 'return helper(r.price)') as AnyFunction;
    expect(readsInSourceOf(old)).toBeUndefined();
  });

  test('what a generator or a promise gives is what it returns', () => {
    expect(readsOf(madeOf('function* (r) { return r; }'))).toEqual(['= ']);
    expect(readsOf(madeOf('async (r) => r'))).toEqual(['= ']);
  });

  test('a part that is passed on is needed, and no other', () => {
    expect(readsOf(madeOf('(r) => keep(r.bid) + r.price'))).toEqual(['bid.*', 'price.*']);
    expect(readsOf(madeOf('({ bid, price }) => keep(bid) + price'))).toEqual(['bid.*', 'price.*']);
    expect(readsOf(madeOf('({ price, text = keep(price) }, other = { price }) => [text, other]'))).toEqual([
      'price.*',
      'text.*',
    ]);
    expect(readsOf(madeOf('(r) => { const { bid = r.other } = r; return keep(bid); }'))).toEqual(['bid.*', 'other.*']);
  });
});

describe('the one field of what a callback returns', () => {
  test.each([
    ['({ ip }) => ({ ip })', 'ip'],
    ['(r) => ({ host: r.ip ?? "" })', 'host'],
    ['(r) => ({ "a b": r.ip })', 'a b'],
    ['(r) => ({ ["ip"]: r.ip })', 'ip'],
    ['(r) => ({ 1: r.ip })', undefined],
    ['({ ip, port }) => ({ ip, port })', undefined],
    ['() => ({})', undefined],
    ['(r) => ({ ...r })', undefined],
    ['(r) => ({ [r.name]: r.ip })', undefined],
    ['(r) => ({ __proto__: r })', undefined],
    ['(r) => ({ get ip() { return 1; } })', undefined],
    ['async ({ ip }) => ({ ip })', undefined],
    ['({ ip }) => { return { ip }; }', undefined],
    ['function ({ ip }) { return { ip }; }', undefined],
    ['(({ ip }) => ({ ip })).bind(undefined)', undefined],
    ['(r) => r', undefined],
  ])('%s: %s', (text, name) => {
    expect(onlyFieldInSourceOf(madeOf(text))).toBe(name);
  });
});
