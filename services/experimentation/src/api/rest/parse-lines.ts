import { ProblemError } from '@millrace/service';

/** A JSON array, one JSON value, or NDJSON: told apart by the text, whatever Content-Type says. Refused whole, so that nothing is half done. */
export function parseLines(body: Buffer): unknown[] {
  const text = body.toString('utf8').trim();
  if (text === '') throw new ProblemError(400, 'MR_HTTP_BAD_REQUEST', 'the body is empty; send a JSON array or NDJSON');
  if (text.startsWith('[')) return parse(text, 'the body') as unknown[];
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line, index) => parse(line, `line ${index + 1}`));
}

function parse(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ProblemError(400, 'MR_HTTP_BAD_REQUEST', `${what} is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}
