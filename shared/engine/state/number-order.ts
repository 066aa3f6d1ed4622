/** The bits of each half of a number are sorted by three digits. */
const shifts = [0, 11, 22] as const;
const digitsMax = 1 << 11;
const digitMask = digitsMax - 1;
const sign = 0x80000000;

/** The places of a list, one after the other. */
export function placesOf({ length }: readonly unknown[]): Uint32Array {
  const places = new Uint32Array(length);
  for (let at = 0; at < length; at += 1) places[at] = at;
  return places;
}

/** Lets `sort` put in order, in place, each run of places that the numbers of all columns have left tied; most are told apart by them. */
export function sortTies(
  order: Uint32Array,
  columns: readonly Float64Array[],
  sort: (tied: Uint32Array) => void,
): void {
  let from = 0;
  for (let to = 1; to <= order.length; to += 1) {
    if (to < order.length && areTied(columns, order[from] as number, order[to] as number)) continue;
    if (to > from + 1) sort(order.subarray(from, to));
    from = to;
  }
}

function areTied(columns: readonly Float64Array[], a: number, b: number): boolean {
  for (let at = 0; at < columns.length; at += 1) {
    const numbers = columns[at] as Float64Array;
    if (numbers[a] !== numbers[b]) return false;
  }
  return true;
}

/**
 * Gives the places of `order`, which is left as it is, in the order of their numbers, of which none is NaN; those of equal numbers stay in
 * the order in which they are. Least digit first (Knuth, The Art of Computer Programming 3, 5.2.5): so a few passes over memory sort what
 * comparing would have to look up again and again, and by several columns in turn, the last of which decides first.
 */
export function orderByNumbers(order: Uint32Array, numbers: Float64Array): Uint32Array {
  let from = Uint32Array.from(order);
  let to = new Uint32Array(order.length);
  for (const half of sortableHalves(numbers)) {
    for (const [index, starts] of startsOf(half).entries()) {
      // All of them have one digit here.
      if (starts === undefined) continue;
      const shift = shifts[index] as number;
      for (let at = 0; at < from.length; at += 1) {
        const place = from[at] as number;
        const digit = ((half[place] as number) >>> shift) & digitMask;
        const start = starts[digit] as number;
        to[start] = place;
        starts[digit] = start + 1;
      }
      [from, to] = [to, from];
    }
  }
  return from;
}

/** The lower and the higher half of numbers whose order, without a sign, is that of the ones given. */
function sortableHalves(numbers: Float64Array): readonly [low: Uint32Array, high: Uint32Array] {
  const low = new Uint32Array(numbers.length);
  const high = new Uint32Array(numbers.length);
  const number = new Float64Array(1);
  const [lowAt, highAt] = isLittleEndian() ? [0, 1] : [1, 0];
  const bits = new Uint32Array(number.buffer);
  for (let place = 0; place < numbers.length; place += 1) {
    // -0 becomes 0: they are equal.
    number[0] = (numbers[place] as number) + 0;
    const highBits = bits[highAt] as number;
    // A negative number has the sign, and the lower it is the higher are its other bits.
    const flipped = highBits >= sign ? -1 : 0;
    low[place] = (bits[lowAt] as number) ^ flipped;
    high[place] = flipped === 0 ? highBits | sign : ~highBits;
  }
  return [low, high];
}

function isLittleEndian(): boolean {
  return new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
}

/** Where the places of each digit begin, by its shift; undefined when there is only one digit. */
function startsOf(half: Uint32Array): readonly (Uint32Array | undefined)[] {
  const [low, middle, high] = [new Uint32Array(digitsMax), new Uint32Array(digitsMax), new Uint32Array(digitsMax)];
  for (let place = 0; place < half.length; place += 1) {
    const bits = half[place] as number;
    const [a, b, c] = [bits & digitMask, (bits >>> shifts[1]) & digitMask, bits >>> shifts[2]];
    low[a] = (low[a] as number) + 1;
    middle[b] = (middle[b] as number) + 1;
    high[c] = (high[c] as number) + 1;
  }
  return [low, middle, high].map((counts) => {
    let start = 0;
    for (let digit = 0; digit < digitsMax; digit += 1) {
      const count = counts[digit] as number;
      if (count === half.length) return undefined;
      counts[digit] = start;
      start += count;
    }
    return counts;
  });
}
