import { DescribeTableCommand, DynamoDBClient, type DynamoDBClientConfig } from '@aws-sdk/client-dynamodb';
import { type LocalDynamodb, startDynamodb } from '#local/dynamodb.ts';

/** A local DynamoDB in memory, with a client for it. */
export async function openDynamodb(): Promise<{
  readonly client: DynamoDBClient;
  readonly createStateTable: (name: string) => Promise<void>;
  readonly createResultsTable: (name: string) => Promise<void>;
  readonly close: () => Promise<void>;
}> {
  const server: LocalDynamodb = await startDynamodb();
  const client = new DynamoDBClient(clientSettings(server.endpoint));
  const createTable = async (properties: { readonly TableName: string; readonly [name: string]: unknown }) => {
    await server.createTable(properties);
    // dynalite makes the table in the background, and answers ResourceNotFoundException until it is there.
    const describe = new DescribeTableCommand({ TableName: properties.TableName });
    while ((await client.send(describe)).Table?.TableStatus !== 'ACTIVE');
  };
  return {
    client,
    createStateTable: (TableName) =>
      createTable({ TableName, KeySchema: keySchema('pk', 'sk'), AttributeDefinitions: texts('pk', 'sk') }),
    createResultsTable: (TableName) =>
      createTable({
        TableName,
        KeySchema: keySchema('pk', 'sk'),
        AttributeDefinitions: texts('pk', 'sk', 'window', 'windowKey'),
        GlobalSecondaryIndexes: [
          {
            IndexName: 'by-window',
            KeySchema: keySchema('window', 'windowKey'),
            Projection: { ProjectionType: 'ALL' },
          },
        ],
      }),
    close: async () => {
      client.destroy();
      await server.close();
    },
  };
}

function clientSettings(endpoint: string): DynamoDBClientConfig {
  return { endpoint, region: 'us-east-1', credentials: { accessKeyId: 'local', secretAccessKey: 'local' } };
}

function keySchema(partition: string, sort: string) {
  return [
    { AttributeName: partition, KeyType: 'HASH' },
    { AttributeName: sort, KeyType: 'RANGE' },
  ];
}

function texts(...names: readonly string[]) {
  return names.map((AttributeName) => ({ AttributeName, AttributeType: 'S' }));
}
