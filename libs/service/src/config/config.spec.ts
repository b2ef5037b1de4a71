import { describe, expect, test } from '@jest/globals';
import { editDistance } from '@millrace/kernel';
import fc from 'fast-check';
import { z } from 'zod';
import { loadConfig } from './config.js';
import { nearest } from './nearest.js';
import { kitConfig } from './kit-variables.js';
import { defineConfig, directories, duration, integer, size, variable } from './variable.js';

describe('the configuration', () => {
  test('has a default for everything an embedded start needs', () => {
    const config = loadConfig([], {});
    expect(config).toMatchObject({ dataDir: '.millrace', host: '127.0.0.1', port: 8080, clickhousePort: 8123, grpcPort: 8081 });
    expect(config.kafkaBrokers).toBeUndefined();
    expect(config.maxBodyBytes).toBe(32 * 1024 * 1024);
    expect(config.commandDeadlineMs).toBe(10_000);
  });

  test('reads lists, durations, sizes and flags', () => {
    const config = loadConfig([], {
      MILLRACE_KAFKA_BROKERS: 'a:9092, b:9093',
      MILLRACE_KAFKA_TLS: 'true',
      MILLRACE_MAX_BODY: '64KiB',
      MILLRACE_QUERY_DEADLINE: '1.5s',
      MILLRACE_TRACE_RATIO: '0.1',
    });
    expect(config).toMatchObject({
      kafkaBrokers: ['a:9092', 'b:9093'],
      kafkaTls: true,
      maxBodyBytes: 65_536,
      queryDeadlineMs: 1500,
      traceRatio: 0.1,
    });
  });

  test('an empty value counts as not set', () => {
    expect(loadConfig([], { MILLRACE_REDIS_URL: '', MILLRACE_PORT: '' })).toMatchObject({ redisUrl: undefined, port: 8080 });
  });

  test('an unknown variable refuses to start and names the nearest known one', () => {
    expect(() => loadConfig([], { MILLRACE_KAFKA_BROKER: 'a:1' })).toThrow(
      /MILLRACE_KAFKA_BROKER is not a variable of Millrace; did you mean MILLRACE_KAFKA_BROKERS\?/,
    );
  });

  test('every problem is told at once', () => {
    const wrong = {
      MILLRACE_PROT: '1',
      MILLRACE_PORT: 'http',
      MILLRACE_REDIS_URL: 'localhost:6379',
      MILLRACE_KAFKA_SASL_MECHANISM: 'plain',
    };
    expect(() => loadConfig([], wrong)).toThrow(
      /did you mean MILLRACE_PORT\?[^]*MILLRACE_PORT is not a whole number[^]*MILLRACE_REDIS_URL is not a URL/,
    );
  });

  test('rules across variables are checked', () => {
    expect(() => loadConfig([], { MILLRACE_KAFKA_SASL_MECHANISM: 'plain' })).toThrow(
      /MILLRACE_KAFKA_SASL_USERNAME and MILLRACE_KAFKA_SASL_PASSWORD have to be/,
    );
    expect(() => loadConfig([], { MILLRACE_S3_ACCESS_KEY_ID: 'x' })).toThrow(/go together/);
  });

  test('a duration that no timer can be set for, or that leaves no time at all, is refused', () => {
    expect(() => loadConfig([], { MILLRACE_COMMAND_DEADLINE: '25d' })).toThrow(
      /MILLRACE_COMMAND_DEADLINE is not a duration from 1ms to 24d/,
    );
    expect(() => loadConfig([], { MILLRACE_COMMAND_DEADLINE: '0s' })).toThrow(
      /MILLRACE_COMMAND_DEADLINE is not a duration from 1ms to 24d/,
    );
    expect(() => loadConfig([], { MILLRACE_COMMAND_DEADLINE: '10' })).toThrow(/MILLRACE_COMMAND_DEADLINE is not a duration such as/);
    expect(loadConfig([], { MILLRACE_COMMAND_DEADLINE: '24d', MILLRACE_CONNECT_DEADLINE: '0ms' }).commandDeadlineMs).toBe(24 * 86_400_000);
  });

  test('what the server or the broker’s client would refuse is refused by its name', () => {
    expect(() => loadConfig([], { MILLRACE_HEADERS_TIMEOUT: '10m' })).toThrow(/HEADERS_TIMEOUT is longer than MILLRACE_REQUEST_TIMEOUT/);
    expect(() => loadConfig([], { MILLRACE_HEADERS_TIMEOUT: '10m', MILLRACE_REQUEST_TIMEOUT: '0s' })).not.toThrow();
    expect(() => loadConfig([], { MILLRACE_MAX_BODY: '0B' })).toThrow(/MILLRACE_MAX_BODY is not a size of 1B or more/);
    expect(() => loadConfig([], { MILLRACE_KAFKA_BROKERS: 'a:9092,b:99999' })).toThrow(/MILLRACE_KAFKA_BROKERS is not a list of host:port/);
    expect(loadConfig([], { MILLRACE_KAFKA_BROKERS: 'a:9092, [::1]:9093' }).kafkaBrokers).toEqual(['a:9092', '[::1]:9093']);
  });

  test.each([
    ['millrace', 'write /millrace'],
    ['/millrace/', 'write /millrace'],
    ['//millrace', 'write /millrace'],
    ['https://ml.example/team/millrace', 'write /team/millrace'],
    ['/', 'leave it unset where there is none'],
    ['/a/../b', 'none at the end'],
    ['/a?b', 'none at the end'],
    ['/a b', 'none at the end'],
    [`/${'a'.repeat(200)}`, 'at most 200'],
  ])('a path prefix of %s is refused, with what to write', (given, mend) => {
    expect(() => loadConfig([], { MILLRACE_PATH_PREFIX: given })).toThrow(/MILLRACE_PATH_PREFIX is not a path such as \/millrace/);
    expect(() => loadConfig([], { MILLRACE_PATH_PREFIX: given })).toThrow(mend);
  });

  test('a path prefix is taken as it is, and none is none', () => {
    expect(loadConfig([], { MILLRACE_PATH_PREFIX: '/team/mill_race-1~' }).pathPrefix).toBe('/team/mill_race-1~');
    expect(loadConfig([], { MILLRACE_PATH_PREFIX: '' }).pathPrefix).toBeUndefined();
  });

  test('variables of the tests and of other services pass', () => {
    expect(() => loadConfig([], { MILLRACE_TEST_KAFKA_BROKERS: 'a:1', MILLRACE_INFERENCE_WORKERS: '2', OTHER: 'x' })).not.toThrow();
  });

  test('secrets are not printed, nor are the users of URLs', () => {
    const printed = loadConfig([], {
      MILLRACE_REDIS_URL: 'redis://me:hunter2@cache:6379/0',
      MILLRACE_CLICKHOUSE_PASSWORD: 'hunter3',
      MILLRACE_KAFKA_BROKERS: 'a:1,b:2',
    }).redacted();
    expect(printed).toMatchObject({
      MILLRACE_REDIS_URL: 'redis://(secret)@cache:6379/0',
      MILLRACE_CLICKHOUSE_PASSWORD: '(secret)',
      MILLRACE_KAFKA_BROKERS: 'a:1,b:2',
    });
    expect(JSON.stringify(printed)).not.toContain('hunter');
    const withAt = loadConfig([], {
      MILLRACE_REDIS_URL: 'redis://:hunt@er4@cache:6379/a@b',
      MILLRACE_TRACKING_URL: 'http://a:p1@h1,http://a:p2@h2',
    });
    expect(withAt.redacted()).toMatchObject({
      MILLRACE_REDIS_URL: 'redis://(secret)@cache:6379/a@b',
      MILLRACE_TRACKING_URL: 'http://(secret)@h1,http://(secret)@h2',
    });
    const withComma = loadConfig([], { MILLRACE_REDIS_URL: 'redis://:hunt,er4@cache:6379' });
    expect(withComma.redacted()).toMatchObject({ MILLRACE_REDIS_URL: 'redis://(secret)@cache:6379' });
  });

  test('no variable is declared twice', () => {
    const names = Object.values(kitConfig.variables).map((one) => one.name);
    expect(new Set(names).size).toBe(names.length);
  });
});

describe('a service’s own group', () => {
  const inference = defineConfig('inference', {
    workers: variable('MILLRACE_INFERENCE_WORKERS', integer(1, 64, 2), 'Worker threads.'),
    cache: variable('MILLRACE_INFERENCE_CACHE', size('1GiB'), 'Bytes of models kept loaded.'),
    idle: variable('MILLRACE_INFERENCE_IDLE', duration('5m'), 'After so long a model is unloaded.'),
  });

  test('is read beside the kit’s', () => {
    const config = loadConfig([inference], { MILLRACE_INFERENCE_WORKERS: '4' });
    expect(config.of(inference)).toEqual({ workers: 4, cache: 1024 ** 3, idle: 300_000 });
  });

  test('refuses what it does not know', () => {
    expect(() => loadConfig([inference], { MILLRACE_INFERENCE_WORKER: '4' })).toThrow(/did you mean MILLRACE_INFERENCE_WORKERS/);
  });

  test('may list directories; none are listed unless somebody does', () => {
    const features = defineConfig('features', { roots: variable('MILLRACE_FEATURES_ROOTS', directories(), 'Where files are.') });
    const read = (environment: Record<string, string>) => loadConfig([features], environment).of(features).roots;
    expect(read({})).toEqual([]);
    expect(read({ MILLRACE_FEATURES_ROOTS: '/data/a, /data/b' })).toEqual(['/data/a', '/data/b']);
    for (const wrong of ['data', '/data/../etc', '/data,b'])
      expect(() => read({ MILLRACE_FEATURES_ROOTS: wrong })).toThrow(/MILLRACE_FEATURES_ROOTS names .*, which is not an absolute path/);
  });

  test('cannot take a name that is not its own', () => {
    const stray = { x: variable('MILLRACE_WORKERS', z.string(), '') };
    expect(() => defineConfig('inference', stray)).toThrow(/has to start with MILLRACE_INFERENCE_/);
  });

  test('asked for without being loaded is a bug', () => {
    expect(() => loadConfig([], {}).of(inference)).toThrow(/was not loaded/);
  });
});

describe('edit distance', () => {
  test('counts insertions, deletions, substitutions and swaps', () => {
    expect(editDistance('PORT', 'PORT')).toBe(0);
    expect(editDistance('PROT', 'PORT')).toBe(1);
    expect(editDistance('PRT', 'PORT')).toBe(1);
    expect(editDistance('kitten', 'sitting')).toBe(3);
    expect(nearest('PROT', ['HOST', 'PORT'])).toBe('PORT');
    expect(nearest('x', [])).toBeUndefined();
  });

  test('is symmetric and bounded by the longer text', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (a, b) => {
        const distance = editDistance(a, b);
        expect(distance).toBe(editDistance(b, a));
        expect(distance).toBeLessThanOrEqual(Math.max(a.length, b.length));
        expect(distance === 0).toBe(a === b);
      }),
    );
  });
});
