import { describe, expect, test } from 'vitest';
import { milliseconds, tumbling } from '#shared/pipeline/index.ts';
import { findPipeline, readAddress, readSettings, selectPipeline } from '#shared/runtime/settings.ts';
import { type HostName, hostSettings, settingNames } from '#shared/schemas/settings.ts';
import { columns, pipelineOf, readings, sink } from '../readings.ts';

const complete = Object.fromEntries(Object.values(settingNames).map((name) => [name, `the ${name}`]));
const output = readings()
  .keyBy((reading) => ({ key: reading.key }))
  .window(tumbling(milliseconds(10)), { allowedLateness: milliseconds(0) })
  .aggregate('step', columns)
  .to(sink);
const known = pipelineOf([output]);

describe('readSettings', () => {
  test.each(Object.keys(hostSettings) as HostName[])('gives %s what it needs and nothing else', (host) => {
    const names = hostSettings[host].map((setting) => settingNames[setting]);
    expect(Object.keys(readSettings(host, { ...complete, PATH: 'x' })).sort()).toEqual([...names].sort());
  });

  test('names everything that is missing at once', () => {
    expect(() => readSettings('tick', { PIPELINE: 'test', LOG_LEVEL: 'info' })).toThrow(
      /^SETTING_MISSING: tick was started without PLAN_HASH, EXCHANGE_STREAM\./,
    );
  });

  test('takes an empty setting for a missing one', () => {
    expect(() => readSettings('tick', { ...complete, EXCHANGE_STREAM: '' })).toThrow(/without EXCHANGE_STREAM\./);
  });
});

describe('selectPipeline', () => {
  test('gives the pipeline whose plan was deployed', () => {
    expect(selectPipeline([known], { PIPELINE: 'test', PLAN_HASH: known.planHash })).toBe(known);
  });

  test('stops when the bundle holds another plan, showing both', () => {
    expect(() => selectPipeline([known], { PIPELINE: 'test', PLAN_HASH: '0123456789abcdef' })).toThrow(
      new RegExp(`^PLAN_MISMATCH: the bundle holds plan ${known.planHash.slice(0, 8)} .* with plan 01234567\\.`),
    );
  });

  test('stops when the pipeline is not registered, listing those that are', () => {
    expect(() => findPipeline([known], 'other')).toThrow(
      'PIPELINE_UNKNOWN: there is no pipeline "other"; pipelines/index.ts registers test.',
    );
  });
});

describe('readAddress', () => {
  test('gives the host and the port', () => {
    expect(readAddress('HTTP_ADDRESS', '0.0.0.0:8080')).toEqual({ hostname: '0.0.0.0', port: 8080 });
    expect(readAddress('HTTP_ADDRESS', '127.0.0.1:0')).toEqual({ hostname: '127.0.0.1', port: 0 });
  });

  test.each(['8080', ':8080', '0.0.0.0', '0.0.0.0:x', '0.0.0.0:65536'])('refuses %s', (text) => {
    expect(() => readAddress('HTTP_ADDRESS', text)).toThrow(/^SETTING_INVALID: HTTP_ADDRESS is /);
  });
});
