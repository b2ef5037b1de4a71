import { invalid, pythonJson, type FieldValues, type Fields } from '@millrace/mlflow-protocol';

const MOST_BYTES = 100_000;
/** What an assessment is, one of them. */
const KINDS = ['feedback', 'expectation', 'issue'] as const;
/** What of an assessment may be changed after it was made. */
const CHANGEABLE = ['assessment_name', 'feedback', 'expectation', 'rationale', 'metadata', 'valid'];

/** An assessment that a request holds, checked when it is a new one; what is changed of one that is there may be any part of it. */
export function assessmentOf(fields: Fields, isNew = true): FieldValues {
  const assessment = fields.message('assessment');
  if (!assessment) throw fields.missing('assessment');
  return isNew ? newAssessment(assessment) : serialized(assessment.values);
}

/** A whole assessment: it has a name and says one thing. */
export function newAssessment(assessment: Fields): FieldValues {
  assessment.requiredString('assessment_name');
  const kinds = KINDS.filter((kind) => assessment.has(kind));
  if (kinds.length !== 1) throw invalid(`An assessment is one of feedback, expectation and issue; this has ${kinds.length} of them.`);
  return serialized(assessment.values);
}

/**
 * An assessment after a change of it. It goes on saying the same kind of thing: one that held feedback beside an expectation is no message of
 * MLflow's, and clients could read nothing of its trace any more. Metadata that is not told again stays.
 */
export function changedAssessment(assessment: FieldValues, given: FieldValues, lastUpdateTime: string): FieldValues {
  const kind = KINDS.find((known) => known in assessment);
  for (const other of KINDS) {
    if (other === kind || given[other] === undefined || given[other] === null) continue;
    throw invalid(`Cannot update ${other} value on an assessment that is ${kind ?? 'neither'}: make another assessment of the trace.`);
  }
  const changes = Object.fromEntries(Object.entries(given).filter(([name, value]) => CHANGEABLE.includes(name) && value !== null));
  const metadata = { ...(assessment['metadata'] as object | undefined), ...(changes['metadata'] as object | undefined) };
  return {
    ...assessment,
    ...changes,
    ...(assessment['metadata'] === undefined && changes['metadata'] === undefined ? {} : { metadata }),
    last_update_time: lastUpdateTime,
  };
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
