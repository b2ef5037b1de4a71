import { isFault } from '@millrace/kernel';

/** Tells what is wrong with a field of a document. */
export type Say = (field: string, message: string) => void;

/** Says what an attempt is refused for. */
export function refusal(
  attempt: () => unknown,
  say: (message: string, details: Readonly<{ feature?: string; field?: string }>) => void,
): void {
  try {
    attempt();
  } catch (error) {
    if (!isFault(error)) throw error;
    say(error.message, error.details);
  }
}

/** Of a resource that a document names. */
export function notThere(kind: string, name: string): string {
  return `${kind} ${name} does not exist; apply it first or in the same request`;
}

export function noColumn(column: string, columns: readonly string[]): string {
  return `${column} is not a column of the schema; columns are ${columns.join(', ')}`;
}
