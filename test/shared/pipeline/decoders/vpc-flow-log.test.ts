import { describe, expect, test } from 'vitest';
import { vpcFlowLog } from '#shared/pipeline/decoders/vpc-flow-log.ts';

// Lines of https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-records-examples.html
const accepted =
  '2 123456789010 eni-1235b8ca123456789 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK';
const noData = '2 123456789010 eni-1235b8ca123456789 - - - - - - - 1431280876 1431280934 - NODATA';
const skipData = '2 123456789010 eni-11111111aaaaaaaaa - - - - - - - 1431280876 1431280934 - SKIPDATA';

describe('vpcFlowLog', () => {
  const versionTwo = vpcFlowLog();

  test('reads the fields of version 2', () => {
    expect(versionTwo.decodeLine(accepted)).toEqual({
      version: 2,
      accountId: '123456789010',
      interfaceId: 'eni-1235b8ca123456789',
      srcaddr: '172.31.16.139',
      dstaddr: '172.31.16.21',
      srcport: 20_641,
      dstport: 22,
      protocol: 6,
      packets: 20,
      bytes: 4_249,
      start: 1_418_530_010,
      end: 1_418_530_070,
      action: 'ACCEPT',
      logStatus: 'OK',
    });
  });

  test('reads the fields of versions 3 to 5 where the log was created with them', () => {
    const line =
      '3 eni-33333333333333333 123456789010 vpc-abcdefab012345678 subnet-22222222bbbbbbbbb i-01234567890123456 10.20.33.164 10.40.2.236 39812 80 6 19 IPv4 10.20.33.164 10.40.2.236 ACCEPT OK ingress - 7';
    const fields =
      'version interface-id account-id vpc-id subnet-id instance-id srcaddr dstaddr srcport dstport protocol tcp-flags type pkt-srcaddr pkt-dstaddr action log-status flow-direction pkt-src-aws-service traffic-path';
    expect(vpcFlowLog({ fields: fields.split(' ') }).decodeLine(line)).toMatchObject({
      vpcId: 'vpc-abcdefab012345678',
      tcpFlags: 19,
      type: 'IPv4',
      pktSrcaddr: '10.20.33.164',
      flowDirection: 'ingress',
      trafficPath: 7,
    });
  });

  test('leaves out what is not known', () => {
    const log = vpcFlowLog({ fields: ['instance-id', 'bytes', 'log-status'] });
    expect(log.decodeLine('- - OK')).toEqual({ logStatus: 'OK' });
  });

  test('finds no record in lines without data, unless they are wanted', () => {
    expect([versionTwo.decodeLine(noData), versionTwo.decodeLine(skipData)]).toEqual([undefined, undefined]);
    expect(vpcFlowLog({ withoutData: 'keep' }).decodeLine(skipData)).toMatchObject({
      logStatus: 'SKIPDATA',
      start: 1_431_280_876,
    });
  });

  test('finds no record in the header of a file', () => {
    expect(
      versionTwo.decodeLine(
        'version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status',
      ),
    ).toBeUndefined();
  });

  test.each([
    [
      '2 1 eni a b 1 2 6 20 many 3 4 ACCEPT OK',
      'from column 22 on: expected a whole number or - for the field bytes, found "many 3 4 ACC"',
    ],
    ['2 1 eni', 'expected the field srcaddr (4 of 14), found the end of the line'],
    [`${accepted} more`, 'expected the end of the line behind 14 fields, found " more"'],
    [
      '2  eni a b 1 2 6 20 4 3 4 ACCEPT OK',
      'from column 3 on: expected the field account-id (2 of 14), found " eni a b 1 2"',
    ],
    ['2 1 eni a b 1 2 6 20 99999999999999999 3 4 ACCEPT OK', 'for the field bytes'],
  ])('rejects %j and says where', (line, message) => {
    expect(() => versionTwo.decodeLine(line)).toThrow(message);
  });

  test('takes the fields from the header when it is told to', () => {
    const begun = vpcFlowLog({ fields: 'header' }).begin?.();
    expect(begun?.decodeLine('bytes srcaddr')).toBeUndefined();
    expect(begun?.decodeLine('5 10.0.0.1')).toEqual({ bytes: 5, srcaddr: '10.0.0.1' });
    expect(begun?.standAlone('5 10.0.0.1')).toBe('bytes srcaddr\n5 10.0.0.1');
  });

  test('without the header rejects every line', () => {
    const begun = vpcFlowLog({ fields: 'header' }).begin?.();
    for (let times = 0; times < 2; times += 1)
      expect(() => begun?.decodeLine(accepted)).toThrow('the first line must name the fields');
  });

  test.each([
    [['version', 'Bytes'], 'vpcFlowLog: field 2, "Bytes", is no field of a flow log'],
    [['bytes', 'bytes'], 'field 2, "bytes", is named twice'],
    [[], 'there are no fields'],
  ])('is refused with the fields %j', (fields, message) => {
    expect(() => vpcFlowLog({ fields })).toThrow(message);
  });
});
