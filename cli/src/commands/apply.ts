import { exactJsonText } from '@millrace/kernel';
import { randomUUID } from 'node:crypto';
import { parseAllDocuments } from 'yaml';
import { isRefused, type MillraceClient } from '../client.js';
import { CliError, EXIT } from '../cli-error.js';
import { readDocuments, type Documents } from '../documents.js';
import type { Io } from '../io.js';
import { lineDiff } from '../output/line-diff.js';
import { asApplied, resourcePath, yaml, type ResourceView } from './resource.js';

interface Applied {
  readonly kind: string;
  readonly name: string;
  readonly outcome: 'created' | 'configured' | 'unchanged';
  readonly version: number;
}

/** Applies documents and says what became of each. */
export async function apply(client: MillraceClient, io: Io, paths: readonly string[], output: string): Promise<void> {
  const documents = await read(paths, io);
  const applied = await send(client, documents, false);
  if (output === 'json') io.out(`${exactJsonText(applied, { indent: 2 })}\n`);
  else for (const one of applied) io.out(`${one.kind}/${one.name} ${one.outcome} (version ${one.version})\n`);
}

/** Says what an apply would change, line by line. True when it would change anything. */
export async function diff(client: MillraceClient, io: Io, paths: readonly string[]): Promise<boolean> {
  const documents = await read(paths, io);
  const changed = (await send(client, documents, true)).filter(({ outcome }) => outcome !== 'unchanged');
  const texts = documentTexts(documents.text);
  for (const { kind, name, outcome } of changed) {
    const before = outcome === 'created' ? '' : asApplied(await client.json<ResourceView>('GET', resourcePath(kind, name)));
    io.out(`${kind}/${name} ${outcome === 'created' ? 'would be created' : 'would change'}\n`);
    for (const line of lineDiff(before, texts.get(`${kind}/${name}`) ?? '')) io.out(`  ${line}\n`);
  }
  return changed.length > 0;
}

async function read(paths: readonly string[], io: Io): Promise<Documents> {
  const documents = await readDocuments(paths, io);
  if (documents.count === 0) throw new CliError(`${paths.join(', ')}: no document`, EXIT.usage);
  if (io.isInteractive) io.err(`${documents.count} document${documents.count === 1 ? '' : 's'} ...\n`);
  return documents;
}

async function send(client: MillraceClient, documents: Documents, dryRun: boolean): Promise<readonly Applied[]> {
  try {
    const result = await client.json<{ documents: readonly Applied[] }>('POST', `/api/v1/apply${dryRun ? '?dryRun=true' : ''}`, {
      body: documents.text,
      headers: { 'content-type': 'application/yaml', 'idempotency-key': randomUUID() },
    });
    return result.documents;
  } catch (error) {
    throw isRefused(error) ? toldByFile(error, documents) : error;
  }
}

interface DocumentProblem {
  readonly document: number;
  readonly resource: string;
  readonly field: string;
  readonly message: string;
}

/** The server counts documents; people look for files. */
function toldByFile(error: CliError & { problem: { details?: Readonly<Record<string, unknown>> } }, documents: Documents): CliError {
  const problems = error.problem.details?.['problems'];
  if (!Array.isArray(problems) || problems.length === 0) return error;
  const lines = (problems as readonly DocumentProblem[]).map(({ document, resource, field, message }) => {
    const where = document === 0 ? '' : `${documents.origin(document)}: `;
    const what = [resource, field].filter((part) => part !== '').join(' ');
    return `  ${where}${what === '' ? '' : `${what}: `}${message}`;
  });
  const count = `${problems.length} problem${problems.length === 1 ? '' : 's'}`;
  return new CliError(`${count}; nothing was applied\n${lines.join('\n')}`, EXIT.refused);
}

/** The documents by resource, written the way the server's are shown, so that only what differs differs. */
function documentTexts(text: string): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  const parsed = parseAllDocuments(text);
  for (const document of Array.isArray(parsed) ? parsed : []) {
    const value: unknown = document.toJS({ maxAliasCount: 100 });
    for (const one of (Array.isArray(value) ? value : [value]) as (ResourceView | null)[]) {
      if (one === null) continue;
      texts.set(`${one.kind}/${one.metadata.name}`, one.spec === undefined ? yaml(one) : asApplied(one));
    }
  }
  return texts;
}
