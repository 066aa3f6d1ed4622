import { RemovalPolicy } from 'aws-cdk-lib';
import { AttributeType, BillingMode, ProjectionType, Table, TableEncryption } from 'aws-cdk-lib/aws-dynamodb';
import type { Construct } from 'constructs';
import type { Sizing } from './props.ts';

export interface Tables {
  /** Checkpoints, state items, origins' counts: what the engine keeps for itself. */
  readonly state: Table;
  /** Rows and totals: what anybody may read. */
  readonly results: Table;
}

/** Finds all rows of a view's window, whatever their key. */
export const byWindowIndex = 'by-window';

export function createTables(scope: Construct, { sizing }: { sizing: Sizing }): Tables {
  const createTable = (id: string): Table =>
    new Table(scope, id, {
      partitionKey: { name: 'pk', type: AttributeType.STRING },
      sortKey: { name: 'sk', type: AttributeType.STRING },
      timeToLiveAttribute: 'ttl',
      billingMode: BillingMode.PAY_PER_REQUEST,
      encryption: TableEncryption.AWS_MANAGED,
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      deletionProtection: sizing.removalPolicy !== RemovalPolicy.DESTROY,
      removalPolicy: sizing.removalPolicy,
    });
  const results = createTable('Results');
  results.addGlobalSecondaryIndex({
    indexName: byWindowIndex,
    partitionKey: { name: 'window', type: AttributeType.STRING },
    sortKey: { name: 'windowKey', type: AttributeType.STRING },
    projectionType: ProjectionType.ALL,
  });
  return { state: createTable('State'), results };
}
