import {
  FlowLogDestination,
  GatewayVpcEndpointAwsService,
  InterfaceVpcEndpointAwsService,
  IpAddresses,
  Peer,
  Port,
  SecurityGroup,
  SubnetType,
  Vpc,
} from 'aws-cdk-lib/aws-ec2';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { Sizing } from './props.ts';

export interface Network {
  /** Everything below, for those who must wait for all of it. */
  readonly scope: Construct;
  readonly vpc: Vpc;
  /** For the worker: out to AWS over TLS, and nothing in. */
  readonly workerSecurityGroup: SecurityGroup;
}

/** A network without a way to the internet: the worker talks to six services of AWS, each through an endpoint. */
export function createNetwork(parent: Construct, { sizing }: { sizing: Sizing }): Network {
  const scope = new Construct(parent, 'Network');
  const vpc = new Vpc(scope, 'Vpc', {
    ipAddresses: IpAddresses.cidr('10.0.0.0/24'),
    maxAzs: 2,
    natGateways: 0,
    subnetConfiguration: [{ name: 'worker', subnetType: SubnetType.PRIVATE_ISOLATED, cidrMask: 26 }],
    gatewayEndpoints: {
      S3: { service: GatewayVpcEndpointAwsService.S3 },
      DynamoDB: { service: GatewayVpcEndpointAwsService.DYNAMODB },
    },
    // Emptying the default group takes a function with rights over the network. Nothing is in that group.
    restrictDefaultSecurityGroup: false,
  });
  vpc.addFlowLog('FlowLog', {
    destination: FlowLogDestination.toCloudWatchLogs(
      new LogGroup(scope, 'FlowLogs', { retention: RetentionDays.ONE_MONTH, removalPolicy: sizing.removalPolicy }),
    ),
  });
  const workerSecurityGroup = new SecurityGroup(scope, 'WorkerSecurityGroup', {
    vpc,
    description: 'The worker: TLS out, nothing in.',
    allowAllOutbound: false,
  });
  // The gateways of S3 and DynamoDB have public addresses; the routes of an isolated subnet lead there and nowhere else.
  workerSecurityGroup.addEgressRule(Peer.anyIpv4(), Port.tcp(443), 'TLS to the endpoints of AWS');
  const services = {
    Kinesis: InterfaceVpcEndpointAwsService.KINESIS_STREAMS,
    Sqs: InterfaceVpcEndpointAwsService.SQS,
    Logs: InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS,
    EcrApi: InterfaceVpcEndpointAwsService.ECR,
    EcrDocker: InterfaceVpcEndpointAwsService.ECR_DOCKER,
  };
  for (const [name, service] of Object.entries(services)) {
    const securityGroup = new SecurityGroup(scope, `${name}EndpointSecurityGroup`, {
      vpc,
      description: `The ${name} endpoint: TLS in from the worker.`,
      allowAllOutbound: false,
    });
    securityGroup.addIngressRule(workerSecurityGroup, Port.tcp(443), 'TLS from the worker');
    vpc.addInterfaceEndpoint(`${name}Endpoint`, { service, open: false, securityGroups: [securityGroup] });
  }
  return { scope, vpc, workerSecurityGroup };
}
