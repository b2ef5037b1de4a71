import { checkEvent, type registry } from '@millrace/contracts';
import { canonical } from '@millrace/kernel';
import { describe, expect, test } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { model, type Model } from './domain/model/model.decider.js';
import type * as modelEvents from './domain/model/model.events.js';
import { models, MODELS, type Models } from './domain/models/models.decider.js';
import type * as modelsEvents from './domain/models/models.events.js';

/** Compiles only when each of the two can stand for the other. */
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : never) : never;

/** The domain's own interfaces are the schemas' types, both ways; a difference fails the type check. */
const SAME: readonly true[] = [
  true satisfies Same<registry.ModelRegistered, modelsEvents.ModelRegistered>,
  true satisfies Same<registry.ModelRenamed, modelsEvents.ModelRenamed>,
  true satisfies Same<registry.ModelDescribed, modelsEvents.ModelDescribed>,
  true satisfies Same<registry.ModelTagged, modelsEvents.ModelTagged>,
  true satisfies Same<registry.ModelUntagged, modelsEvents.ModelUntagged>,
  true satisfies Same<registry.ModelDeleted, modelsEvents.ModelDeleted>,
  true satisfies Same<registry.VersionRegistered, modelEvents.VersionRegistered>,
  true satisfies Same<registry.VersionDescribed, modelEvents.VersionDescribed>,
  true satisfies Same<registry.VersionTagged, modelEvents.VersionTagged>,
  true satisfies Same<registry.VersionUntagged, modelEvents.VersionUntagged>,
  true satisfies Same<registry.VersionMoved, modelEvents.VersionMoved>,
  true satisfies Same<registry.VersionDeleted, modelEvents.VersionDeleted>,
  true satisfies Same<registry.AliasAssigned, modelEvents.AliasAssigned>,
  true satisfies Same<registry.AliasRemoved, modelEvents.AliasRemoved>,
];

const SCHEMAS = join(import.meta.dirname, '../../../schemas/registry');

/** Every golden sample of the domain: one line each of `<Event>/v<N>.golden.jsonl`. */
const samples = readdirSync(SCHEMAS, { recursive: true, encoding: 'utf8' })
  .map((path) => /^([A-Za-z]+)\/v(\d+)\.golden\.jsonl$/.exec(path))
  .filter((match) => match !== null)
  .flatMap(([file, type, version]) =>
    readFileSync(join(SCHEMAS, file), 'utf8')
      .trim()
      .split('\n')
      .map((line) => ({ type: type as string, version: Number(version), data: JSON.parse(line) as never })),
  );

describe('the registry events and their schemas', () => {
  test('are the same types', () => {
    expect(SAME).not.toContain(false);
  });

  test.each(samples)('$type.v$version $data keeps to its schema and folds', ({ type, version, data }) => {
    expect(checkEvent('registry', type, version, data)).toBeUndefined();
    const context = { subject: 'model/m', sequence: 1, time: 1, actor: 'a' };
    const event = { type, data } as never;
    const fold = type.startsWith('Model')
      ? (): Models => models.evolve(models.initial(), event, { ...context, subject: MODELS })
      : (): Model => model.evolve(model.initial(), event, context);
    expect(canonical(fold())).toBe(canonical(fold()));
  });

  test('every event has a sample', () => {
    const types = new Set(samples.map((sample) => sample.type));
    expect(readdirSync(SCHEMAS, { withFileTypes: true }).filter((entry) => entry.isDirectory() && /^[A-Z]/.test(entry.name)).length).toBe(
      types.size,
    );
  });
});
