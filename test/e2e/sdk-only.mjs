// Knows nothing of Millrace but a stream and a table: puts records with the Kinesis SDK, and reads their row with GetItem.
import { setTimeout } from 'node:timers/promises';
import { DynamoDBClient, GetItemCommand } from '@aws-sdk/client-dynamodb';
import { KinesisClient, PutRecordsCommand } from '@aws-sdk/client-kinesis';

const [stream, table] = process.argv.slice(2);
const minute = Math.floor(Date.now() / 60_000) * 60_000;
const records = [40, 2].map((bytes) => ({ ts: minute, ip: '192.0.2.7', bytes }));
await new KinesisClient().send(
  new PutRecordsCommand({
    StreamName: stream,
    Records: records.map((record, index) => ({
      Data: Buffer.from(JSON.stringify(record)),
      PartitionKey: String(index),
    })),
  }),
);
const dynamodb = new DynamoDBClient();
const Key = {
  pk: { S: 'by-ip#ip=192.0.2.7' },
  sk: { S: `${new Date(minute).toISOString()}/${new Date(minute + 60_000).toISOString()}` },
};
for (let tries = 0; tries < 400; tries += 1) {
  const { Item } = await dynamodb.send(new GetItemCommand({ TableName: table, Key }));
  if (Item?.bytes?.N === '42') {
    console.log(`${Item.ip.S} ${Item.count.N} ${Item.bytes.N}`);
    process.exit(0);
  }
  await setTimeout(250);
}
process.exit(1);
