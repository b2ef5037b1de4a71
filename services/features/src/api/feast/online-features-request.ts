import { parsePosition, type Position } from '@millrace/kernel';

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

/** One entry of FastAPI's 422 body. */
export interface ValidationDetail {
  readonly type: string;
  readonly loc: readonly (string | number)[];
  readonly msg: string;
  readonly input: unknown;
}

export function parseFeastRequest(
  body: Buffer,
  parseTime: (value: unknown) => number | undefined,
): FeastRequest | { readonly detail: ValidationDetail[] } {
  let json: unknown;
  try {
    json = JSON.parse(body.toString('utf8'));
  } catch (error) {
    const msg = `JSON decode error: ${error instanceof Error ? error.message : String(error)}`;
    return { detail: [{ type: 'json_invalid', loc: ['body', 0], msg, input: {} }] };
  }
  const detail: ValidationDetail[] = [];
  const say = (type: string, field: string, msg: string, input: unknown): void =>
    void detail.push({ type, loc: ['body', field], msg, input });
  if (!isObject(json))
    return { detail: [{ type: 'model_attributes_type', loc: ['body'], msg: 'Input should be a valid dictionary', input: json }] };
  const { entities, features, feature_service: service, full_feature_names: full, at, at_least: atLeast } = json;
  if (entities === undefined) say('missing', 'entities', 'Field required', json);
  else if (!isObject(entities)) say('dict_type', 'entities', 'Input should be a valid dictionary', entities);
  else
    for (const [key, values] of Object.entries(entities))
      if (!Array.isArray(values)) say('list_type', `entities.${key}`, 'Input should be a valid list', values);
  if (features !== undefined && features !== null && !(Array.isArray(features) && features.every((item) => typeof item === 'string')))
    say('list_type', 'features', 'Input should be a valid list of strings', features);
  if (service !== undefined && service !== null && typeof service !== 'string')
    say('string_type', 'feature_service', 'Input should be a valid string', service);
  if (full !== undefined && full !== null && typeof full !== 'boolean')
    say('bool_type', 'full_feature_names', 'Input should be a valid boolean', full);
  const time = at === undefined || at === null ? undefined : parseTime(at);
  if (at !== undefined && at !== null && time === undefined)
    say('datetime_type', 'at', 'Input should be a time: RFC 3339 text or milliseconds', at);
  const positions = parsePositions(atLeast);
  if (!positions) say('string_type', 'at_least', 'Input should be positions: topic/partition@offset, several separated by commas', atLeast);
  if (detail.length > 0) return { detail };
  return {
    entities: entities as FeastRequest['entities'],
    features: (features as string[] | null | undefined) ?? undefined,
    featureService: (service as string | null | undefined) ?? undefined,
    fullFeatureNames: full === true,
    at: time,
    atLeast: positions ?? [],
  };
}

function parsePositions(value: unknown): Position[] | undefined {
  if (value === undefined || value === null || value === '') return [];
  const texts = Array.isArray(value) ? value : typeof value === 'string' ? value.split(',') : [value];
  const positions = texts.map((text) => (typeof text === 'string' ? parsePosition(text.trim()) : undefined));
  return positions.includes(undefined) ? undefined : (positions as Position[]);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
