/** So many characters of seven bits fit the 53 bits in which a number is exact. */
const charactersMax = 7;
const characterMax = 0x7f;

/**
 * For each text a number; of two texts with different numbers the one with the lower number is the lower text, by code units as `<` compares
 * them. Equal numbers say nothing. Texts lie anywhere in memory, numbers side by side: to sort a million of them takes a fraction of the time.
 */
export function orderNumbers(texts: readonly string[]): Float64Array {
  const from = commonLength(texts);
  const numbers = new Float64Array(texts.length);
  for (let at = 0; at < texts.length; at += 1) {
    const text = texts[at] as string;
    let number = 0;
    for (let index = from; index < from + charactersMax; index += 1) {
      // Behind the end it is NaN, and counts as the lowest.
      const unit = text.charCodeAt(index) || 0;
      number = number * (characterMax + 1) + Math.min(unit, characterMax);
      // Characters above all have one number, so nothing behind such a one may decide.
      if (unit >= characterMax) {
        number *= (characterMax + 1) ** (from + charactersMax - 1 - index);
        break;
      }
    }
    numbers[at] = number;
  }
  return numbers;
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
