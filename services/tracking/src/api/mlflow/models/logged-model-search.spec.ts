import { describe, expect, test } from '@jest/globals';
import { Fields } from '@millrace/mlflow-protocol';
import type { LoggedModel } from '../../../domain/logged-model/logged-model.decider.js';
import { loggedModelSearchOf } from './logged-model-search.js';

const model = (name: string, modelType: string | null, sourceRunId: string | null) =>
  ({ name, modelType, sourceRunId }) as unknown as LoggedModel;

describe('a text of a logged model that was not told is empty', () => {
  const models = [model('told', 't', 'r'), model('bare', null, null)];
  const found = (filter: string) => models.filter(loggedModelSearchOf(new Fields({ filter })).matches).map(({ name }) => name);

  test.each([
    ["model_type != 't'", ['bare']],
    ["model_type NOT IN ('t')", ['bare']],
    ["model_type = ''", ['bare']],
    ["model_type LIKE '%'", ['told', 'bare']],
    ["source_run_id != 'r'", ['bare']],
    ["source_run_id = 'r'", ['told']],
    ["source_run_id = ''", ['bare']],
  ])('%s', (filter, names) => {
    expect(found(filter)).toEqual(names);
  });

  test('only the models of a run that is named are looked at, and all of them when none is', () => {
    expect(loggedModelSearchOf(new Fields({ filter: "source_run_id = 'r'" })).sourceRunId).toBe('r');
    expect(loggedModelSearchOf(new Fields({ filter: "source_run_id = ''" })).sourceRunId).toBeUndefined();
  });
});
