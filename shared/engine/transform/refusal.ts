/** Data that cannot be used, told apart from a callback that threw. */
export class Refusal extends Error {
  readonly reason: 'invalid' | 'too-large';

  constructor(reason: 'invalid' | 'too-large', message: string) {
    super(message);
    this.reason = reason;
  }
}
