import { beforeAll, describe, expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

const root = join(process.cwd());

interface Breach {
  readonly name: string;
  /** The room: the text is linted as if it were a file that stands there. */
  readonly room: string;
  readonly text: string;
  readonly rule: string;
}

const BREACHES: readonly Breach[] = [
  {
    name: 'the kernel imports a library',
    room: 'libs/kernel/src',
    text: `export { z } from 'zod';`,
    rule: '@nx/enforce-module-boundaries',
  },
  {
    name: 'a port imports an adapter',
    room: 'libs/event-log/port/src',
    text: `export * from '@millrace/event-log-lmdb';`,
    rule: '@nx/enforce-module-boundaries',
  },
  {
    name: 'a service imports a service',
    room: 'services/inference/src',
    text: `export * from '@millrace/registry';`,
    rule: '@nx/enforce-module-boundaries',
  },
  {
    name: 'a library imports the service kit',
    room: 'libs/feature-engine/src',
    text: `export * from '@millrace/service';`,
    rule: '@nx/enforce-module-boundaries',
  },
  {
    name: 'a domain imports a port',
    room: 'services/tracking/src/domain',
    text: `export type { EventLog } from '@millrace/event-log';`,
    rule: 'no-restricted-imports',
  },
  {
    name: 'a domain imports a framework',
    room: 'services/tracking/src/domain',
    text: `export { Injectable } from '@nestjs/common';`,
    rule: 'no-restricted-imports',
  },
  {
    name: 'a domain reads the clock',
    room: 'services/tracking/src/domain',
    text: 'export const now = Date.now();',
    rule: 'no-restricted-globals',
  },
  {
    name: 'a domain throws dice',
    room: 'services/registry/src/domain',
    text: 'export const dice = Math.random();',
    rule: 'no-restricted-properties',
  },
  {
    name: 'a projection imports a protocol',
    room: 'services/tracking/src/projections',
    text: `export * from '../api/mlflow/errors.js';`,
    rule: 'no-restricted-imports',
  },
  {
    name: 'an api reaches into a projection',
    room: 'services/tracking/src/api',
    text: `export * from '../projections/metric-points.projection.js';`,
    rule: 'no-restricted-imports',
  },
  {
    name: 'the environment is read outside config.ts',
    room: 'services/features/src',
    text: 'export const home = process.env.HOME;',
    rule: 'no-restricted-syntax',
  },
  { name: 'a file is longer than 400 lines', room: 'libs/statistics/src', text: 'export {};\n'.repeat(401), rule: 'max-lines' },
];

describe('the boundary rules', () => {
  let broken: { rule: string; message: string }[][] = [];

  beforeAll(() => {
    const texts = BREACHES.map(({ room, text }) => ({ file: someFileIn(room), text }));
    // eslint decides by project graph and project service; it runs outside Jest's module system.
    spawnSync('nx', ['show', 'projects'], { cwd: root, stdio: 'ignore' });
    const run = spawnSync('node', ['tools/boundaries/lint-texts.mjs'], { cwd: root, input: JSON.stringify(texts), encoding: 'utf8' });
    if (run.status !== 0) throw new Error(run.stderr);
    broken = JSON.parse(run.stdout) as typeof broken;
  }, 120_000);

  test.each(BREACHES.map((breach, index) => ({ ...breach, index })))('fail when $name', ({ rule, index }) => {
    expect(broken[index]?.map((message) => message.rule)).toContain(rule);
  });
});

/** The rules know rooms by path and types by project, so a breach is tried at the path of a file that exists. */
function someFileIn(room: string): string {
  const files = readdirSync(join(root, room), { recursive: true, withFileTypes: true });
  const file = files.find(
    (entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.spec.ts') && !/^(config|main)\.ts$/.test(entry.name),
  );
  if (!file) throw new Error(`no source file in ${room}: the room a rule guards is gone`);
  return join(file.parentPath, file.name);
}
