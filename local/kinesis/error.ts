/** The errors of the Kinesis API that we give, by AWS's names. */
export type KinesisErrorCode =
  | 'ExpiredIteratorException'
  | 'ExpiredNextTokenException'
  | 'InvalidArgumentException'
  | 'LimitExceededException'
  | 'ProvisionedThroughputExceededException'
  | 'ResourceInUseException'
  | 'ResourceNotFoundException'
  | 'SerializationException'
  | 'UnknownOperationException'
  | 'ValidationException';

/** An answer of Kinesis that is an error, as a client of AWS would get it. Match on `code`. */
export class KinesisError extends Error {
  override readonly name = 'KinesisError';
  readonly code: KinesisErrorCode;

  constructor(code: KinesisErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** Refuses the request with `code` unless `condition` holds. */
export function demand(condition: boolean, code: KinesisErrorCode, message: () => string): asserts condition {
  if (!condition) throw new KinesisError(code, message());
}
