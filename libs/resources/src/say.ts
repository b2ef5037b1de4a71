import { isFault } from '@millrace/kernel';

/** Tells what is wrong with a field of a document. */
export type Say = (field: string, message: string) => void;

/** Says what an attempt is refused for. */
export function refusal(attempt: () => unknown, say: (message: string) => void): void {
  try {
    attempt();
  } catch (error) {
    if (!isFault(error)) throw error;
    say(error.message);
  }
}

export function noColumn(column: string, columns: readonly string[]): string {
  return `${column} is not a column of the schema; columns are ${columns.join(', ')}`;
}
