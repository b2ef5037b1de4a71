import { parseDuration } from '@millrace/feature-engine';
import { checkExpectations } from './check-expectations.js';
import { checkTopic } from './check-topic.js';
import type { SourceSpec } from './resource.js';
import { noColumn, type Say } from './say.js';
import { COMPUTED_ID, hasComputedId, isBatchSource, keyColumns, SOURCE_ORIGINS } from './source-definition.js';

const ORIGINS_TEXT = 'topic, query, table, files or push: true';
const COMMENTS = /^(\s+|--[^\n]*(\n|$)|\/\*[\s\S]*?\*\/)+/;
const SHORTEST_EVERY_MS = 1_000;

/** What a JSON Schema cannot say of a source. */
export function checkSource(spec: SourceSpec, say: Say): void {
  checkOrigin(spec, say);
  const columns = Object.keys(spec.schema);
  const type = spec.schema[spec.eventTime];
  if (type === undefined) say('spec.eventTime', noColumn(spec.eventTime, columns));
  else if (type !== 'DateTime64(3)') say('spec.eventTime', `column ${spec.eventTime} is ${type}; an event time is DateTime64(3)`);
  if (spec.eventId !== undefined && spec.schema[spec.eventId] === undefined) say('spec.eventId', noColumn(spec.eventId, columns));
  else if (spec.eventId !== undefined && isNullable(spec.schema[spec.eventId]))
    say('spec.eventId', `column ${spec.eventId} may be null; an event id may not`);
  if (spec.corrections === 'times' && spec.eventId === undefined) say('spec.corrections', 'needs an eventId, which says what is corrected');
  for (const key of keyColumns(spec)) {
    if (spec.schema[key] === undefined) say('spec.key', noColumn(key, columns));
    else if (isNullable(spec.schema[key])) say('spec.key', `column ${key} may be null; a key may not`);
  }
  checkExpectations(spec, say);
  for (const column of columns) if (column.startsWith('_')) say(`spec.schema.${column}`, "names beginning with _ are the platform's own");
}

function checkOrigin(spec: SourceSpec, say: Say): void {
  const given = SOURCE_ORIGINS.filter((origin) => spec[origin] !== undefined);
  const [first, second] = given;
  if (first === undefined) say('spec.topic', `is missing; a source has exactly one of ${ORIGINS_TEXT}`);
  if (second !== undefined) say(`spec.${second}`, `is there beside ${first}; a source has exactly one of ${ORIGINS_TEXT}`);
  if (spec.topic !== undefined) checkTopic(spec.topic, (message) => say('spec.topic', message));
  if (spec.query !== undefined && !/^(SELECT|WITH|\(\s*(SELECT|WITH))\b/i.test(spec.query.replace(COMMENTS, '')))
    say('spec.query', 'must be a SELECT');
  if (spec.files !== undefined) checkFiles(spec.files, (message) => say('spec.files', message));
  if (!isBatchSource(spec)) {
    if (spec.schedule !== undefined)
      say('spec.schedule', 'is for a source with a query, a table or files; events of others come by themselves');
    return;
  }
  if (spec.format !== undefined) say('spec.format', 'is for events that others write; rows become events in JSON');
  if (hasComputedId(spec)) {
    if (keyColumns(spec).length === 0)
      say('spec.eventId', 'is missing: name the column that tells a row from all others, or a key; then key and event time tell it');
    if (spec.schema[COMPUTED_ID] !== undefined)
      say(
        `spec.schema.${COMPUTED_ID}`,
        `is the column of the id that rows without an eventId get; say eventId: ${COMPUTED_ID}, or rename it`,
      );
  }
  const every = spec.schedule?.every === undefined ? undefined : parseDuration(spec.schedule.every);
  if (every !== undefined && every < SHORTEST_EVERY_MS) say('spec.schedule.every', 'must be at least 1s');
}

function checkFiles(files: string, say: (message: string) => void): void {
  const path = files.startsWith('file:///') ? files.slice('file:///'.length) : files;
  if (/^[a-z][a-z0-9+.-]*:/i.test(path))
    return say(`is neither a path in the artifact store, such as exports/rides-*.parquet, nor of the form file:///data/rides-*.parquet`);
  if (!/\.(parquet|csv)$/i.test(path)) return say('must end in .parquet or .csv');
  const parts = path.split('/');
  if (parts.some((part) => part === '' || part === '.' || part === '..') || /[\\\p{Cc}]/u.test(path))
    say('must be made of parts between single slashes, none of them empty, . or ..');
}

function isNullable(type: string | undefined): boolean {
  return type?.startsWith('Nullable(') === true;
}
