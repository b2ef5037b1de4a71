import { describe, expect, test } from '@jest/globals';
import { configurationReference, kitConfig } from '@millrace/service';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { platformConfig } from './config.js';

describe('the configuration reference', () => {
  test('is current: node tools/configuration-reference.mjs writes it', () => {
    const page = readFileSync(join(process.cwd(), 'docs/reference/configuration.md'), 'utf8');
    expect(page).toBe(configurationReference(platformConfig));
  });

  test('no two services declare the same variable', () => {
    const names = [kitConfig, ...platformConfig].flatMap((group) => Object.values(group.variables).map((variable) => variable.name));
    expect(new Set(names).size).toBe(names.length);
  });
});
