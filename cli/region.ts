import { MillraceError } from '#shared/schemas/error.ts';

/** A client of the SDK, which finds its region by itself. */
interface RegionalClient {
  readonly config: { readonly region: () => Promise<string> };
}

/** Gives the client back. Without a region the SDK fails at its first request, as if it might heal. */
export async function inRegion<Client extends RegionalClient>(option: string, client: Client): Promise<Client> {
  try {
    await client.config.region();
    return client;
  } catch (cause) {
    throw new MillraceError(
      'INPUT_INVALID',
      `${option} is found by the AWS settings of the environment, and they name no region. Set AWS_REGION, such as AWS_REGION=eu-central-1.`,
      { cause },
    );
  }
}
