import { JsonText } from '@millrace/event-log';
import type { PredictedRow, PredictionMade } from '../domain/prediction/prediction.js';

/*
 * The text of a prediction's record. There is one for every request, most of its fields are null or the same for all requests to a deployment, and inputs stand as
 * they were sent: written by hand it takes two fifths of what JSON.stringify needs. It is the same JSON; a test holds the two together.
 */

/** Names of deployments, models, inputs and the like as they are in JSON. Inputs are named by clients, so it is emptied when it is full. */
const quoted = new Map<string, string>();
const MAX_QUOTED = 1000;

export function predictionJson(record: PredictionMade): JsonText {
  const { rollout, edge, stream, mayRepeat } = record;
  let rows = '';
  for (const row of record.rows) rows += rows === '' ? rowJson(row) : `,${rowJson(row)}`;
  let text =
    `{"predictionId":${json(record.predictionId)},"requestId":${json(record.requestId)},"deployment":${quote(record.deployment)},` +
    `"model":${quote(record.model)},"version":${json(record.version)},"digest":${quote(record.digest)},"experiment":${quote(record.experiment)},` +
    `"variant":${quote(record.variant)},"rows":[${rows}],"featureService":${quote(record.featureService)},"featureTime":${json(record.featureTime)},` +
    `"featurePositions":${json(record.featurePositions)},"featureVersions":${json(record.featureVersions)},"batchRows":${json(record.batchRows)},` +
    `"latencyMicros":${json(record.latencyMicros)},"error":${json(record.error)},"traceparent":${json(record.traceparent)}`;
  if (rollout !== undefined) text += `,"rollout":${quote(rollout)}`;
  if (edge !== undefined) text += `,"edge":${json(edge)}`;
  if (stream !== undefined) text += `,"stream":${quote(stream)}`;
  if (mayRepeat !== undefined) text += `,"mayRepeat":${String(mayRepeat)}`;
  return new JsonText(`${text}}`);
}

function rowJson({ row, unit, entity, request, features, statuses, inputs, outputs }: PredictedRow): string {
  return (
    `{"row":${json(row)},"unit":${json(unit)},"entity":${json(entity)},"request":${json(request)},"features":${json(features)},` +
    `"statuses":${json(statuses)},"inputs":${byName(inputs)},"outputs":${byName(outputs)}}`
  );
}

function byName(values: Readonly<Record<string, unknown>> | null): string {
  if (values === null) return 'null';
  let text = '';
  for (const name of Object.keys(values)) {
    const value = values[name];
    if (value === undefined) continue;
    text += `${text === '' ? '' : ','}${quote(name)}:${value instanceof JsonText ? value.text : json(value)}`;
  }
  return `{${text}}`;
}

function json(value: unknown): string {
  return value === null ? 'null' : JSON.stringify(value);
}

function quote(name: string | null): string {
  if (name === null) return 'null';
  let text = quoted.get(name);
  if (text !== undefined) return text;
  if (quoted.size >= MAX_QUOTED) quoted.clear();
  text = JSON.stringify(name);
  quoted.set(name, text);
  return text;
}
