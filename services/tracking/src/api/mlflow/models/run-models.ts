import { invalid, type Fields } from '@millrace/mlflow-protocol';
import type { ModelOutput } from '../../../domain/run/run.events.js';
import { checkBatchLimit } from '../fields.js';

const MODELS_PER_REQUEST = 1000;

/** The logged models a run says it used. */
export function modelInputsOf(fields: Fields, name = 'models'): string[] {
  return modelsOf(fields, name).map(modelIdOf);
}

/** The logged models a run says it made, each with its step. */
export function modelOutputsOf(fields: Fields, name = 'models'): ModelOutput[] {
  return modelsOf(fields, name).map((model) => ({ modelId: modelIdOf(model), step: model.integer('step') ?? 0 }));
}

function modelsOf(fields: Fields, name: string): readonly Fields[] {
  const models = fields.messages(name);
  checkBatchLimit(name, MODELS_PER_REQUEST, models.length);
  return models;
}

/** A logged model's id as a field has it. */
export function modelIdOf(fields: Fields): string {
  const modelId = fields.requiredString('model_id');
  if (!/^m-[0-9a-f]{32}$/.test(modelId)) {
    throw invalid(
      `Invalid value '${modelId.slice(0, 100)}' for parameter 'model_id' supplied: the id of a logged model is m- and 32 hex digits.`,
    );
  }
  return modelId;
}
