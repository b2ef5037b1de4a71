import { exactJsonText } from '@millrace/kernel';
import { CliError, EXIT } from '../cli-error.js';

export type EventFilter = (event: unknown) => boolean;

/**
 * `subject=run/*`, `data.kind=Source`: a path of the event's JSON and what stands there, as text; `*` stands for anything. Several
 * filters all have to hold.
 */
export function eventFilter(texts: readonly string[]): EventFilter {
  const tests = texts.map(parse);
  return (event) => tests.every((test) => test(event));
}

function parse(text: string): EventFilter {
  const equals = text.indexOf('=');
  if (equals < 1) throw new CliError(`--filter ${text} is not field=value, for example subject=run/* or data.kind=Source`, EXIT.usage);
  const path = text.slice(0, equals).split('.');
  const pattern = new RegExp(
    `^${text
      .slice(equals + 1)
      .split('*')
      .map(escaped)
      .join('.*')}$`,
    's',
  );
  return (event) => {
    const value = path.reduce<unknown>((at, name) => (isObject(at) && Object.hasOwn(at, name) ? at[name] : undefined), event);
    return value !== undefined && pattern.test(typeof value === 'string' ? value : exactJsonText(value));
  };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
