import { checkEntityName, checkLength, invalid, isOldClient, type Fields } from '@millrace/mlflow-protocol';
import { STAGES, type Stage } from '../../domain/model/model.events.js';
import { LIMITS } from './limits.js';

export function nameOf(fields: Fields, field = 'name'): string {
  const name = fields.string(field);
  if (!name) throw invalid('Registered model name cannot be empty.');
  return name;
}

/** A name that is about to be taken. One with a slash or a colon could not be named in `models:/` URIs. */
export function newNameOf(fields: Fields, field = 'name'): string {
  const name = importedNameOf(fields, field);
  if (name.trim() === '') throw invalid('Registered model name cannot be empty.');
  if (/[/:]/.test(name)) throw invalid(`Invalid model name '${name}'. Names cannot contain '/' or ':'.`);
  if (name === '.' || name.startsWith('..')) {
    throw invalid(`Invalid model name '${name}'. Names may be treated as files, so they cannot be '.' or begin with '..'.`);
  }
  return name;
}

/** A name that is about to be taken as another server has it: servers of MLflow 2 had no such bounds. */
export function importedNameOf(fields: Fields, field = 'name'): string {
  const name = nameOf(fields, field);
  checkLength('Registered model name', LIMITS.nameLength, name);
  return name;
}

/** A version comes as text. `userAgent`: a client that looks for the words of its own line gets them. */
export function versionOf(fields: Fields, userAgent = ''): number {
  const value = fields.values['version'];
  const text = typeof value === 'number' ? String(value) : fields.requiredString('version');
  if (!/^\d{1,15}$/.test(text)) {
    throw invalid(`${isOldClient(userAgent) ? 'Model version' : "Parameter 'version'"} must be an integer, got '${text}'.`);
  }
  return Number(text);
}

export function stageOf(text: string): Stage {
  const stage = STAGES.find((known) => known.toLowerCase() === text.toLowerCase());
  if (!stage) throw invalid(`Invalid Model Version stage: ${text}. Value must be one of ${STAGES.join(', ')}.`);
  return stage;
}

/** The alias that is always the newest version's, in any case. */
export const LATEST = 'latest';

/** An alias. MLflow keeps `latest` and `v3` for its own URIs. */
export function aliasOf(fields: Fields): string {
  const alias = fields.string('alias');
  if (!alias) throw invalid('Registered model alias name cannot be empty.');
  if (!/^[\p{L}\p{N}_-]+$/u.test(alias)) {
    throw invalid(`Invalid alias name: '${alias}'. Names may only contain alphanumerics, underscores (_), and dashes (-).`);
  }
  checkLength('Registered model alias name', LIMITS.aliasLength, alias);
  if (alias.toLowerCase() === LATEST) throw invalid("'latest' alias name (case insensitive) is reserved.");
  if (/^v\d+$/i.test(alias)) throw invalid(`Version alias name '${alias}' is reserved.`);
  return alias;
}

export function tagOf(fields: Fields): { key: string; value: string } {
  const [key, value] = [tagKeyOf(fields), fields.string('value') ?? ''];
  checkLength('Registered model value', LIMITS.tagValueLength, value);
  return { key, value };
}

export function tagKeyOf(fields: Fields): string {
  const key = fields.requiredString('key');
  checkEntityName('tag', key);
  checkLength('Registered model key', LIMITS.keyLength, key);
  return key;
}

export function tagsOf(fields: Fields): Record<string, string> {
  return Object.fromEntries(
    fields.messages('tags').map((tag) => {
      const { key, value } = tagOf(tag);
      return [key, value];
    }),
  );
}

export function maxResultsOf(fields: Fields, byDefault: number, most: number): number {
  const value = fields.integer('max_results') ?? byDefault;
  if (value < 1 || value > most) {
    throw invalid(`Invalid value for request parameter max_results. It must be at least 1 and at most ${most}, but got value ${value}`);
  }
  return value;
}
