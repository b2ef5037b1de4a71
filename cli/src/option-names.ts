import { isRefused, RefusedError } from './client.js';

/** Says a refusal in the words of the command: a detail that begins with the name of a field begins with the option's instead. */
export async function inOptionNames<T>(options: Readonly<Record<string, string>>, call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (!isRefused(error)) throw error;
    const { detail } = error.problem;
    const field = detail === undefined ? undefined : /^([A-Za-z]+)\b/.exec(detail)?.[1];
    const option = field === undefined ? undefined : options[field];
    if (detail === undefined || field === undefined || option === undefined) throw error;
    throw new RefusedError({ ...error.problem, detail: `${option}${detail.slice(field.length)}` });
  }
}
