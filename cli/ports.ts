import { MillraceError } from '#shared/schemas/error.ts';

/** The ports of a local stack: one for each service, beside one another. */
export interface Ports {
  readonly read: number;
  readonly kinesis: number;
  readonly dynamodb: number;
  readonly sqs: number;
  readonly s3: number;
}

const firstPortDefault = 4600;

/** The ports from `--port` on; 0 lets the system choose free ones. */
export function portsOf(first: string | undefined): Ports {
  const port = first === undefined ? firstPortDefault : Number(first);
  if (!Number.isInteger(port) || port < 0 || port > 65_531) {
    throw new MillraceError(
      'SETTING_INVALID',
      `--port is ${JSON.stringify(first)}; it must be a number from 0 to 65531. Five ports from there on are used, or free ones for 0.`,
    );
  }
  const [read, kinesis, dynamodb, sqs, s3] = [0, 1, 2, 3, 4].map((offset) => (port === 0 ? 0 : port + offset)) as [
    number,
    number,
    number,
    number,
    number,
  ];
  return { read, kinesis, dynamodb, sqs, s3 };
}
