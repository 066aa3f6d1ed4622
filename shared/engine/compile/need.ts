import type { ReadPath } from '#shared/pipeline/reads.ts';

/**
 * What of a value is read: all of it, or some of its fields. That there is a `Need` says that it is looked at whether the value is there, so
 * it must be: a text or a number is then read whole, an object is one of the fields below.
 */
export class Need {
  isWhole = false;
  readonly fields = new Map<string, Need>();

  /** What is needed of the value at a path; from now on it is looked at. */
  at(path: ReadPath): Need {
    let need: Need = this;
    for (const name of path) {
      let inner = need.fields.get(name);
      if (inner === undefined) {
        inner = new Need();
        need.fields.set(name, inner);
      }
      need = inner;
    }
    return need;
  }

  /** Adds what another one needs. */
  add({ isWhole, fields }: Need): void {
    this.isWhole ||= isWhole;
    for (const [name, inner] of fields) this.at([name]).add(inner);
  }
}

/** Of what all is read. */
export const wholeNeed: Need = new Need();
wholeNeed.isWhole = true;
