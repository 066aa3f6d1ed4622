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
  return remembered(`like ${ignoresCase} ${escaping ?? ''} ${text}`, () => {
    let source = '';
    const characters = [...text];
    for (let index = 0; index < characters.length; index += 1) {
      const character = characters[index] as string;
      if (character === escaping) {
        index += 1;
        const next = characters[index];
        if (next === undefined) throw new Error('it ends with its escape character');
        source += literal(next);
      } else source += character === '%' ? '[^]*' : character === '_' ? '[^]' : literal(character);
    }
    return new RegExp(`^${source}$`, ignoresCase ? 'iu' : 'u');
  });
}

function literal(character: string): string {
  return character.replace(/[\\^$.*+?()[\]{}|/]/, '\\$&');
}

/** A regular expression of JavaScript's form; `whole` when all of the text must fit. Throws when it is none. */
export function regularExpression(text: string, whole = false, flags = ''): RegExp {
  const source = whole ? `^(?:${text})$` : text;
  return remembered(`${whole} ${flags} ${text}`, () => {
    try {
      // A dot is a character, not half of one.
      return new RegExp(source, `${flags}u`);
    } catch {
      // So it escapes what needs no escape, as `\\_`, which is an expression all the same.
      return new RegExp(source, flags);
    }
  });
}
