import { Fault } from '@millrace/kernel';

/** What is wrong with a spine or with what is asked of it; the requester has to change it. */
export function spineFault(message: string): Fault {
  return new Fault('MR_FEATURES_SPINE', message, false);
}

/** Of a column's value, as JSON tells it, that is not of the type it has to be; rows are counted from 0. */
export function noValueOf(column: string, value: string, row: number, type: string): Fault {
  const shown = value.length > 80 ? `${value.slice(0, 77)}...` : value;
  return spineFault(`the spine's column ${column} has ${shown} in row ${row}, which is no ${type}`);
}
