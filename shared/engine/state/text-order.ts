import { orderByNumbers, placesOf, sortTies } from './number-order.ts';

/** Characters from here on have one number together. */
const characterMax = 0x7f;
/** As many bits as a number is exact to. */
const numberMax = 2 ** 53;
/** So many characters of a text are looked at; fewer than five different ones are seldom all that texts are made of. */
const lengthMax = 24;

/**
 * For each text a number; of two texts with different numbers the one with the lower number is the lower text, by code units as `<` compares
 * them. Equal numbers say nothing. Texts lie anywhere in memory, numbers side by side: to sort a million of them takes a fraction of the time.
 *
 * A number is one to the base of how many characters the texts are made of behind what all begin with: IP addresses need twelve, so that 14
 * characters fit a number, which is all of one.
 */
export function orderNumbers(texts: readonly string[]): Float64Array {
  const { characters, length: width } = charactersOf(texts, commonLength(texts));
  const { digits, base } = digitsOf(characters);
  const length = Math.min(width, Math.floor(Math.log(numberMax) / Math.log(base)));
  const numbers = new Float64Array(texts.length);
  for (let at = 0; at < numbers.length; at += 1) {
    const start = at * width;
    let number = 0;
    for (let index = start; index < start + length; index += 1)
      number = number * base + (digits[characters[index] as number] as number);
    numbers[at] = number;
  }
  return numbers;
}

/** The places of texts in their order, by code units as `<` compares them. */
export function orderTexts(texts: readonly string[]): Uint32Array {
  const numbers = orderNumbers(texts);
  const order = orderByNumbers(placesOf(texts), numbers);
  sortTies(order, [numbers], (tied) => {
    tied.sort((a, b) => {
      const [textA, textB] = [texts[a] as string, texts[b] as string];
      return textA < textB ? -1 : textA === textB ? a - b : 1;
    });
  });
  return order;
}

/** Of what all texts begin with. */
function commonLength(texts: readonly string[]): number {
  const [first = ''] = texts;
  let length = first.length;
  for (const text of texts) {
    let same = 0;
    while (same < length && text.charCodeAt(same) === first.charCodeAt(same)) same += 1;
    length = same;
  }
  return length;
}

/** The characters of the texts behind the first ones, side by side, each as its code unit and one; 0 is where a text has ended. */
function charactersOf(
  texts: readonly string[],
  from: number,
): { readonly characters: Uint8Array; readonly length: number } {
  let lengthOfAll = 0;
  for (let at = 0; at < texts.length; at += 1) lengthOfAll = Math.max(lengthOfAll, (texts[at] as string).length - from);
  const length = Math.min(lengthOfAll, lengthMax);
  const characters = new Uint8Array(length * texts.length);
  for (let at = 0; at < texts.length; at += 1) {
    const text = texts[at] as string;
    const start = at * length;
    const end = Math.min(text.length - from, length);
    for (let index = 0; index < end; index += 1) {
      const unit = text.charCodeAt(from + index);
      characters[start + index] = Math.min(unit, characterMax) + 1;
      // Characters above all have one number, so nothing behind such a one may decide.
      if (unit >= characterMax) break;
    }
  }
  return { characters, length };
}

/** By character its digit, from 1 on in their order, of those that occur. */
function digitsOf(characters: Uint8Array): { readonly digits: Uint8Array; readonly base: number } {
  const digits = new Uint8Array(characterMax + 2);
  for (let at = 0; at < characters.length; at += 1) digits[characters[at] as number] = 1;
  digits[0] = 0;
  let base = 1;
  for (let character = 1; character < digits.length; character += 1) {
    if (digits[character] === 0) continue;
    digits[character] = base;
    base += 1;
  }
  return { digits, base: Math.max(2, base) };
}
