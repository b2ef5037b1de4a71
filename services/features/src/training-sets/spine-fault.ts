import { Fault } from '@millrace/kernel';

/** What is wrong with a spine or with what is asked of it; the requester has to change it. */
export function spineFault(message: string): Fault {
  return new Fault('MR_FEATURES_SPINE', message, false);
}

/** Refuses names that no table can have, or that the table of a spine has itself. */
export function checkColumnNames(columns: readonly { readonly name: string }[]): void {
  const seen = new Set<string>();
  for (const { name } of columns) {
    if (name === '') throw spineFault('the spine has a column without a name; name it, or leave it out');
    if (name.startsWith('__')) {
      const mend = name.startsWith('__index_level_') ? '; write the frame with index=False' : '; rename it';
      throw spineFault(`spine column ${name}: names beginning with __ are the platform's own${mend}`);
    }
    if (seen.has(name)) throw spineFault(`the spine has two columns ${name}`);
    seen.add(name);
  }
}

/** Of a column's value, as JSON tells it, that is not of the type it has to be; rows are counted from 0. */
export function noValueOf(column: string, value: string, row: number, type: string): Fault {
  const shown = value.length > 80 ? `${value.slice(0, 77)}...` : value;
  return spineFault(`the spine's column ${column} has ${shown} in row ${row}, which is no ${type}`);
}
