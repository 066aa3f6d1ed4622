import { MillraceError } from '#shared/schemas/error.ts';

/** A resource of a CloudFormation template with its intrinsic functions resolved. */
export interface LocalResource {
  readonly logicalId: string;
  readonly type: string;
  readonly name: string;
  readonly properties: Readonly<Record<string, unknown>>;
}

/** A resource as the template has it. */
export interface TemplateResource {
  readonly Type: string;
  readonly Properties?: Readonly<Record<string, unknown>>;
}

export const region = 'us-east-1';
export const accountId = '000000000000';

/** What only the embedded AWS knows: addresses. */
export interface LocalAddresses {
  /** Of the SQS wire server. */
  readonly sqs: string;
}

/**
 * Resolves the template as CloudFormation would: physical names are made of the stack's name and the logical id, so that they are the same after a
 * restart. `TEMPLATE_UNSUPPORTED` names an intrinsic function that is not known.
 */
export function resolveTemplate(
  stackName: string,
  resources: Readonly<Record<string, TemplateResource>>,
  addresses: LocalAddresses,
): readonly LocalResource[] {
  const resolver = new Resolver(stackName, resources, addresses);
  return Object.entries(resources).map(([logicalId, resource]) => ({
    logicalId,
    type: resource.Type,
    name: resolver.nameOf(logicalId),
    properties: isResolved(resource.Type)
      ? (resolver.resolve(resource.Properties ?? {}) as Readonly<Record<string, unknown>>)
      : {},
  }));
}

/** The types that the embedded AWS runs. Roles, policies, networks, alarms and log groups mean nothing on a laptop. */
const runTypes = [
  'AWS::Kinesis::Stream',
  'AWS::DynamoDB::Table',
  'AWS::DynamoDB::GlobalTable',
  'AWS::SQS::Queue',
  'AWS::S3::Bucket',
  'AWS::Lambda::Function',
  'AWS::Lambda::EventSourceMapping',
  'AWS::Lambda::Url',
  'AWS::Events::Rule',
  'AWS::ECS::TaskDefinition',
  'AWS::ECS::Service',
  'AWS::ApplicationAutoScaling::ScalableTarget',
] as const;

function isResolved(type: string): boolean {
  return (runTypes as readonly string[]).includes(type);
}

const pseudoParameters: Readonly<Record<string, string>> = {
  'AWS::Region': region,
  'AWS::AccountId': accountId,
  'AWS::Partition': 'aws',
  'AWS::URLSuffix': 'amazonaws.com',
};

class Resolver {
  readonly #stackName: string;
  readonly #resources: Readonly<Record<string, TemplateResource>>;
  readonly #addresses: LocalAddresses;

  constructor(stackName: string, resources: Readonly<Record<string, TemplateResource>>, addresses: LocalAddresses) {
    this.#stackName = stackName;
    this.#resources = resources;
    this.#addresses = addresses;
  }

  nameOf(logicalId: string): string {
    const name = `${this.#stackName}-${logicalId}`;
    return this.#resources[logicalId]?.Type === 'AWS::S3::Bucket' ? name.toLowerCase() : name;
  }

  resolve(value: unknown): unknown {
    if (Array.isArray(value)) return value.map((member) => this.resolve(member));
    if (typeof value !== 'object' || value === null) return value;
    const [[intrinsic, argument] = ['', undefined], ...others] = Object.entries(value);
    if (others.length === 0 && (intrinsic === 'Ref' || intrinsic.startsWith('Fn::')))
      return this.#call(intrinsic, argument);
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, this.resolve(member)]));
  }

  #call(intrinsic: string, argument: unknown): unknown {
    switch (intrinsic) {
      case 'Ref':
        return this.#ref(String(argument));
      case 'Fn::GetAtt': {
        const [logicalId, attribute] = Array.isArray(argument) ? argument.map(String) : String(argument).split('.');
        return this.#attribute(logicalId ?? '', attribute ?? '');
      }
      case 'Fn::Join': {
        const [separator, parts] = argument as readonly [string, readonly unknown[]];
        return parts.map((part) => String(this.resolve(part))).join(separator);
      }
      case 'Fn::Sub':
        return String(argument).replace(/\$\{([^}]+)\}/g, (_, name: string) =>
          name.includes('.') ? String(this.#call('Fn::GetAtt', name)) : this.#ref(name),
        );
      default:
        throw new MillraceError(
          'TEMPLATE_UNSUPPORTED',
          `the template uses ${intrinsic}, which the embedded AWS cannot resolve. Use plain values, Ref, Fn::GetAtt, Fn::Join or Fn::Sub there.`,
        );
    }
  }

  #ref(name: string): string {
    if (name === 'AWS::StackName') return this.#stackName;
    const pseudo = pseudoParameters[name];
    if (pseudo !== undefined) return pseudo;
    // Ref gives a queue's address and every other resource's name.
    return this.#resources[name]?.Type === 'AWS::SQS::Queue'
      ? `${this.#addresses.sqs}/${accountId}/${this.nameOf(name)}`
      : this.nameOf(name);
  }

  #attribute(logicalId: string, attribute: string): string {
    const name = this.nameOf(logicalId);
    if (attribute === 'QueueUrl') return this.#ref(logicalId);
    if (attribute === 'QueueName') return name;
    return attribute === 'Arn' ? arnOf(this.#resources[logicalId]?.Type ?? '', name) : `${name}.${attribute}`;
  }
}

function arnOf(type: string, name: string): string {
  const own = `${region}:${accountId}`;
  switch (type) {
    case 'AWS::Kinesis::Stream':
      return `arn:aws:kinesis:${own}:stream/${name}`;
    case 'AWS::DynamoDB::Table':
    case 'AWS::DynamoDB::GlobalTable':
      return `arn:aws:dynamodb:${own}:table/${name}`;
    case 'AWS::SQS::Queue':
      return `arn:aws:sqs:${own}:${name}`;
    case 'AWS::S3::Bucket':
      return `arn:aws:s3:::${name}`;
    case 'AWS::Lambda::Function':
      return `arn:aws:lambda:${own}:function:${name}`;
    default:
      return `arn:aws:local:${own}:${name}`;
  }
}

/** The last part of a name or ARN: a stream's, function's or table's own name. */
export function nameFromArn(arn: string): string {
  return arn.slice(Math.max(arn.lastIndexOf('/'), arn.lastIndexOf(':')) + 1);
}
