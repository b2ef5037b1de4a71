import { describe, expect, test } from '@jest/globals';
import { repositoryRoot, runCommand } from '@millrace/testing';
import { join } from 'node:path';

describe('docs/reference/mlflow-compatibility.md', () => {
  test('is what the routes that are registered and the notes make of it', async () => {
    const said = await runCommand(process.execPath, [join(repositoryRoot, 'tools/mlflow-compatibility.mjs'), '--check']);
    expect(said).toBe('');
  }, 180_000);
});
