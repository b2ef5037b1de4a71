import { invalid, pythonJson, type FieldValues, type Fields } from '@millrace/mlflow-protocol';

const MOST_BYTES = 100_000;

/** An assessment that a request holds, checked when it is a new one; what is changed of one that is there may be any part of it. */
export function assessmentOf(fields: Fields, isNew = true): FieldValues {
  const assessment = fields.message('assessment');
  if (!assessment) throw fields.missing('assessment');
  return isNew ? newAssessment(assessment) : serialized(assessment.values);
}

/** A whole assessment: it has a name and says one thing. */
export function newAssessment(assessment: Fields): FieldValues {
  assessment.requiredString('assessment_name');
  const kinds = ['feedback', 'expectation', 'issue'].filter((kind) => assessment.has(kind));
  if (kinds.length !== 1) throw invalid(`An assessment is one of feedback, expectation and issue; this has ${kinds.length} of them.`);
  return serialized(assessment.values);
}

/** An assessment as it is kept. */
export function assessmentText(assessment: FieldValues): string {
  const text = JSON.stringify(assessment);
  if (text.length > MOST_BYTES) throw invalid(`An assessment has at most ${MOST_BYTES} characters, got ${text.length}.`);
  return text;
}

/** What is expected is kept as text when it is more than one value, as MLflow's clients write and read it. */
function serialized(assessment: FieldValues): FieldValues {
  const { value } = (assessment['expectation'] ?? {}) as { value?: unknown };
  if (typeof value !== 'object' || value === null) return assessment;
  return { ...assessment, expectation: { serialized_value: { value: pythonJson(value), serialization_format: 'JSON_FORMAT' } } };
}
