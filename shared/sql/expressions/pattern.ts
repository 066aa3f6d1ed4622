/** Patterns that are not known before a record comes are made once each. */
const known = new Map<string, RegExp>();
const knownMax = 1_000;

function remembered(key: string, make: () => RegExp): RegExp {
  let pattern = known.get(key);
  if (pattern === undefined) {
    if (known.size >= knownMax) known.clear();
    pattern = make();
    known.set(key, pattern);
  }
  return pattern;
}

/** `%` stands for any characters, `_` for one; behind `escaping` they stand for themselves. */
export function likePattern(text: string, ignoresCase: boolean, escaping: string | undefined): RegExp {
  return remembered(`like ${ignoresCase} ${escaping ?? ''} ${text}`, () =>
    patternOf(text, { ignoresCase, escaping, signs: '' }),
  );
}

/** A pattern of SIMILAR TO: as LIKE's, with the signs of regular expressions that the standard has. A dot is a dot. */
export function similarPattern(text: string, escaping: string | undefined): RegExp {
  return remembered(`similar ${escaping ?? ''} ${text}`, () =>
    patternOf(text, { ignoresCase: false, escaping, signs: '|*+?{}()[]' }),
  );
}

function patternOf(
  text: string,
  {
    ignoresCase,
    escaping,
    signs,
  }: { readonly ignoresCase: boolean; readonly escaping: string | undefined; readonly signs: string },
): RegExp {
  let source = '';
  let isInSet = false;
  const characters = [...text];
  for (let index = 0; index < characters.length; index += 1) {
    const character = characters[index] as string;
    if (character === escaping) {
      index += 1;
      const next = characters[index];
      if (next === undefined) throw new Error('it ends with its escape character');
      source += literal(next);
    } else if (isInSet) {
      source += character === '\\' ? '\\\\' : character;
      isInSet = character !== ']';
    } else if (signs.includes(character)) {
      source += character;
      isInSet = character === '[';
    } else source += character === '%' ? '[^]*' : character === '_' ? '[^]' : literal(character);
  }
  return new RegExp(`^(?:${source})$`, ignoresCase ? 'iu' : 'u');
}

function literal(character: string): string {
  return character.replace(/[\\^$.*+?()[\]{}|/]/, '\\$&');
}

/** A regular expression of JavaScript's form. Throws when it is none. */
export function regularExpression(text: string, flags = ''): RegExp {
  return remembered(`${flags} ${text}`, () => {
    try {
      // A dot is a character, not half of one.
      return new RegExp(text, `${flags}u`);
    } catch {
      // So it escapes what needs no escape, as `\_`, which is an expression all the same.
      return new RegExp(text, flags);
    }
  });
}
