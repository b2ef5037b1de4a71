import { isFault } from '@millrace/kernel';
import { ProblemError } from '@millrace/service';

/** Tells faults as problems with the status that the table gives their code; others are thrown as they are. */
export async function asProblem<T>(work: Promise<T>, statuses: Readonly<Record<string, number>>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const status = isFault(error) ? statuses[error.code] : undefined;
    if (!isFault(error) || status === undefined) throw error;
    throw new ProblemError(status, error.code, error.message, error.details);
  }
}
