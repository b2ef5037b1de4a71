import { TIME_FORMS } from '@millrace/feature-engine';
import { parsePosition, type Position } from '@millrace/kernel';
import { FieldReader, parseBody, type ValidationDetail } from './feast-body.js';

/** A body of `POST /get-online-features`, read. */
export interface FeastRequest {
  readonly entities: Readonly<Record<string, readonly unknown[]>>;
  readonly features: readonly string[] | undefined;
  readonly featureService: string | undefined;
  readonly fullFeatureNames: boolean;
  /** Ours: event time to answer for; now when absent. */
  readonly at: number | undefined;
  /** Ours: positions that must have been applied. */
  readonly atLeast: readonly Position[];
}

export function parseFeastRequest(
  body: unknown,
  parseTime: (value: unknown) => number | undefined,
): FeastRequest | { readonly detail: readonly ValidationDetail[] } {
  const parsed = parseBody(body);
  if ('detail' in parsed) return parsed;
  const { fields } = parsed;
  const read = new FieldReader(fields);
  const entities = read.columns('entities');
  const features = read.texts('features', { nullable: false });
  const featureService = read.textOrNull('feature_service');
  const fullFeatureNames = read.flag('full_feature_names', false);
  const at = fields['at'] ?? undefined;
  const time = at === undefined ? undefined : parseTime(at);
  if (at !== undefined && time === undefined) read.say('datetime_type', 'at', `Input should be ${TIME_FORMS}`, at);
  const atLeast = fields['at_least'] ?? undefined;
  const positions = atLeast === undefined ? [] : parsePositions(atLeast);
  if (!positions) {
    read.say('string_type', 'at_least', 'Input should be positions: topic/partition@offset, several separated by commas', atLeast);
  }
  if (read.detail.length > 0) return { detail: read.detail };
  return { entities, features, featureService, fullFeatureNames, at: time, atLeast: positions ?? [] };
}

function parsePositions(value: unknown): Position[] | undefined {
  if (value === '') return [];
  const texts = Array.isArray(value) ? value : typeof value === 'string' ? value.split(',') : [value];
  const positions = texts.map((text) => (typeof text === 'string' ? parsePosition(text.trim()) : undefined));
  return positions.includes(undefined) ? undefined : (positions as Position[]);
}
