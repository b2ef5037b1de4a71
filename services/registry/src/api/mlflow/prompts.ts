import { invalid, type Fields } from '@millrace/mlflow-protocol';
import { PROMPT_TAG } from '../../domain/models/prompt-tag.js';

/** A version has to have a source; that of a prompt, which has no files, is one of these words. */
const PLACEHOLDERS = ['dummy-source', 'prompt-template'];

export function isPrompt(tags: ReadonlyMap<string, string>): boolean {
  return tags.get(PROMPT_TAG)?.toLowerCase() === 'true';
}

export function promptSourceOf(fields: Fields): string {
  const source = fields.requiredString('source');
  if (!PLACEHOLDERS.includes(source)) {
    throw invalid(`Invalid prompt source: '${source}'. A prompt has no files; its source is the word ${PLACEHOLDERS.join(' or ')}.`);
  }
  return source;
}
