/** What the variables of an execution environment are made from. */
export interface VariableSource {
  readonly functionName: string;
  readonly handler: string;
  readonly codePath: string;
  readonly memoryMb: number;
  readonly region: string;
  readonly logGroupName: string;
  readonly logStreamName: string;
  /** From the template, and what points the function at the embedded AWS. */
  readonly variables: Readonly<Record<string, string>>;
}

/**
 * All that a function finds in `process.env`, and nothing of the process it runs in. Reserved names win over the template's.
 * https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
 */
export function environmentVariables(source: VariableSource): Readonly<Record<string, string>> {
  return {
    LANG: 'en_US.UTF-8',
    PATH: '/usr/local/bin:/usr/bin:/bin',
    // Clients must find some credentials to sign with; nothing checks them.
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    AWS_SESSION_TOKEN: 'local',
    ...source.variables,
    _HANDLER: source.handler,
    AWS_REGION: source.region,
    AWS_DEFAULT_REGION: source.region,
    AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x',
    AWS_LAMBDA_FUNCTION_NAME: source.functionName,
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(source.memoryMb),
    AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
    AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
    AWS_LAMBDA_LOG_GROUP_NAME: source.logGroupName,
    AWS_LAMBDA_LOG_STREAM_NAME: source.logStreamName,
    LAMBDA_TASK_ROOT: source.codePath,
    TZ: ':UTC',
  };
}
