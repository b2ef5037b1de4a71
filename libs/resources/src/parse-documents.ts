import { isScalar, LineCounter, parseAllDocuments, visit, type Document } from 'yaml';
import { API_VERSION, isKind, KINDS, type DocumentProblem, type ResourceDocument } from './resource.js';

export interface ParsedDocuments {
  readonly documents: readonly ResourceDocument[];
  readonly problems: readonly DocumentProblem[];
}

const MOST_DOCUMENTS = 1000;
/** The parser takes some seconds for a text of this length, and nothing else runs meanwhile. */
const LONGEST_TEXT = 1024 * 1024;
/** What a resource may be called, as a regular expression that JSON Schema takes too. */
export const NAME_PATTERN = '^[A-Za-z][A-Za-z0-9_-]{0,99}$';
const NAME = new RegExp(NAME_PATTERN);
const OUTER_FIELDS = ['apiVersion', 'kind', 'metadata', 'spec'];
/** What a resource that was read has beside them: it says how it stands, and asks for nothing. */
const STATUS = 'status';
const METADATA_FIELDS = ['name', 'labels', 'description'];

/**
 * Reads YAML or JSON, one or several documents, and checks the outer shape they share. Every problem is reported, not only the
 * first. Aliases are bounded by the parser, so a small text cannot unfold into a large one.
 */
export function parseDocuments(text: string): ParsedDocuments {
  const problems: DocumentProblem[] = [];
  const documents: ResourceDocument[] = [];
  if (text.length > LONGEST_TEXT) {
    const message = `${text.length} characters; at most ${LONGEST_TEXT} at once, apply them in parts`;
    return { documents, problems: [{ document: 0, resource: '', field: '', message }] };
  }
  const lines = new LineCounter();
  // The parser would compare each key with all the others of its object.
  const parsed = parseAllDocuments(text, { lineCounter: lines, uniqueKeys: false, version: '1.2' });
  const found = Array.isArray(parsed) ? parsed : [];
  if (found.length > MOST_DOCUMENTS) {
    return {
      documents,
      problems: [{ document: 0, resource: '', field: '', message: `${found.length} documents; at most ${MOST_DOCUMENTS} at once` }],
    };
  }
  let index = 0;
  for (const document of found) {
    const place = index + 1;
    const error = document.errors[0]?.message ?? repeatedKey(document, lines);
    if (error !== undefined) {
      problems.push({ document: place, resource: '', field: '', message: `not valid YAML or JSON: ${error}` });
      index++;
      continue;
    }
    let values: unknown[];
    try {
      const value: unknown = document.toJS({ maxAliasCount: 100 });
      if (value === null || value === undefined) continue;
      values = Array.isArray(value) ? value : [value];
    } catch (failure) {
      problems.push({ document: place, resource: '', field: '', message: failure instanceof Error ? failure.message : String(failure) });
      index++;
      continue;
    }
    for (const value of values) {
      index++;
      const outcome = outerShape(index, value);
      if ('kind' in outcome) documents.push(outcome);
      else problems.push(...outcome.problems);
    }
  }
  problems.push(...repeated(documents));
  if (index === 0) problems.push({ document: 0, resource: '', field: '', message: 'the request holds no document' });
  return { documents, problems };
}

/** Says which key an object has twice: what one of them says would be lost without a word. */
function repeatedKey(document: Document, lines: LineCounter): string | undefined {
  let found: string | undefined;
  visit(document, {
    Map: (_at, { items }) => {
      const keys = new Set<unknown>();
      for (const { key } of items) {
        if (!isScalar(key)) continue;
        if (keys.has(key.value)) {
          const { line, col } = lines.linePos(key.range?.[0] ?? 0);
          found = `Map keys must be unique, ${String(key.value)} is there twice at line ${line}, column ${col}`;
          return visit.BREAK;
        }
        keys.add(key.value);
      }
      return undefined;
    },
  });
  return found;
}

function outerShape(index: number, value: unknown): ResourceDocument | { problems: DocumentProblem[] } {
  const problems: DocumentProblem[] = [];
  if (!isRecord(value))
    return {
      problems: [{ document: index, resource: '', field: '', message: 'a document is an object with apiVersion, kind, metadata and spec' }],
    };
  const metadata = isRecord(value['metadata']) ? value['metadata'] : {};
  const { kind } = value;
  const { name, labels, description } = metadata;
  const resource = `${typeof kind === 'string' ? kind : '?'}/${typeof name === 'string' ? name : '?'}`;
  const problem = (field: string, message: string): void => void problems.push({ document: index, resource, field, message });
  if (value['apiVersion'] !== API_VERSION) problem('apiVersion', `must be ${API_VERSION}`);
  if (typeof kind !== 'string' || !isKind(kind)) problem('kind', `must be one of ${KINDS.join(', ')}`);
  if (typeof name !== 'string' || !NAME.test(name)) {
    problem('metadata.name', 'must be 1 to 100 letters, digits, - and _, beginning with a letter');
  }
  if (labels !== undefined && !(isRecord(labels) && Object.values(labels).every((label) => typeof label === 'string'))) {
    problem('metadata.labels', 'must be an object of texts');
  }
  if (description !== undefined && typeof description !== 'string') problem('metadata.description', 'must be a text');
  if (!isRecord(value['spec'])) problem('spec', 'must be an object');
  for (const field of Object.keys(metadata))
    if (!METADATA_FIELDS.includes(field))
      problem(`metadata.${field}`, `is not a field of metadata; fields are ${METADATA_FIELDS.join(', ')}`);
  for (const field of Object.keys(value))
    if (!OUTER_FIELDS.includes(field) && field !== STATUS)
      problem(field, `is not a field of a resource; fields are ${OUTER_FIELDS.join(', ')}`);
  if (problems.length > 0) return { problems };
  return {
    index,
    kind: kind as ResourceDocument['kind'],
    name: name as string,
    labels: (labels ?? {}) as Record<string, string>,
    description: (description ?? null) as string | null,
    spec: value['spec'] as Record<string, unknown>,
  };
}

/** The same resource twice in one request has no meaning that everybody would guess. */
function repeated(documents: readonly ResourceDocument[]): DocumentProblem[] {
  const first = new Map<string, number>();
  const problems: DocumentProblem[] = [];
  for (const document of documents) {
    const resource = `${document.kind}/${document.name}`;
    const before = first.get(resource);
    if (before === undefined) first.set(resource, document.index);
    else
      problems.push({ document: document.index, resource, field: 'metadata.name', message: `document ${before} is ${resource} already` });
  }
  return problems;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
