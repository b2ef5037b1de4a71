import { Fault } from '@millrace/kernel';
import { createHash, sign, verify } from 'node:crypto';
import { SINGLE_FILE } from './compare-files.js';
import { digestOf, type PublicSigningKey, type SigningKey } from './keys.js';

/** A file of a signed model: its path below the model, or `.` when the model is a single file. */
export interface SignedFile {
  readonly name: string;
  /** Lower-case hex SHA-256. */
  readonly sha256: string;
}

/** What a bundle says, after its form was checked; its signature counts only after {@link isTrusted}. */
export interface OpenedBundle {
  /** The name the model was signed under. */
  readonly model: string;
  readonly files: readonly SignedFile[];
  /** Hint of the key it says it is signed with. */
  readonly keyId: string;
  readonly signedBytes: Buffer;
  readonly signature: Buffer;
}

const MEDIA_TYPE = 'application/vnd.dev.sigstore.bundle.v0.3+json';
const PAYLOAD_TYPE = 'application/vnd.in-toto+json';
const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1';
const PREDICATE_TYPE = 'https://model_signing/signature/v1.0';

/** MLflow's client writes it beside what it downloads for a `models:/` URI; it is no file of the model and nothing loads it. */
const WRITTEN_BY_MLFLOW = 'registered_model_meta';

/**
 * Signs a model's files: the OpenSSF model signing format, an in-toto statement in a DSSE envelope in a Sigstore bundle. The statement lists
 * every file with its digest, so it says which file is another, which is missing and which was added.
 */
export function signFiles(model: string, files: readonly SignedFile[], key: SigningKey): string {
  const resources = [...files].sort(byName).map(({ name, sha256 }) => ({ name, algorithm: 'sha256', digest: sha256 }));
  const ignored = files.some(({ name }) => name === WRITTEN_BY_MLFLOW) ? [] : [WRITTEN_BY_MLFLOW];
  const statement = {
    _type: STATEMENT_TYPE,
    subject: [{ name: model, digest: { sha256: rootDigest(resources.map(({ digest }) => digest)) } }],
    predicateType: PREDICATE_TYPE,
    predicate: {
      serialization: { method: 'files', hash_type: 'sha256', allow_symlinks: false, ignore_paths: ignored },
      resources,
    },
  };
  const payload = Buffer.from(JSON.stringify(statement));
  const signature = sign(digestOf(key.public.algorithm), preAuthenticated(payload), key.privateKey);
  return JSON.stringify({
    mediaType: MEDIA_TYPE,
    verificationMaterial: { publicKey: { hint: key.public.keyId }, tlogEntries: [] },
    dsseEnvelope: {
      payload: payload.toString('base64'),
      payloadType: PAYLOAD_TYPE,
      signatures: [{ sig: signature.toString('base64'), keyid: '' }],
    },
  });
}

/** Whether the key made the signature. */
export function isTrusted(bundle: OpenedBundle, key: PublicSigningKey): boolean {
  return key.keyId === bundle.keyId && verify(digestOf(key.algorithm), preAuthenticated(bundle.signedBytes), key.key, bundle.signature);
}

/** Reads a bundle; throws an `MR_SIGNING_BUNDLE` fault that says what is wrong with it. Nothing in it is believed yet. */
export function openBundle(text: string): OpenedBundle {
  const bundle = objectOf(jsonOf(text, 'the manifest'), 'the manifest');
  if (bundle['mediaType'] !== MEDIA_TYPE) throw unreadable(`its mediaType is not ${MEDIA_TYPE}`);
  const envelope = objectOf(bundle['dsseEnvelope'], 'dsseEnvelope');
  if (envelope['payloadType'] !== PAYLOAD_TYPE) throw unreadable(`its payloadType is not ${PAYLOAD_TYPE}`);
  const signatures = listOf(envelope['signatures'], 'dsseEnvelope.signatures');
  if (signatures.length !== 1) throw unreadable(`it has ${signatures.length} signatures; a bundle has one`);
  const signedBytes = bytesOf(envelope['payload'], 'dsseEnvelope.payload');
  const material = objectOf(
    objectOf(bundle['verificationMaterial'], 'verificationMaterial')['publicKey'],
    'verificationMaterial.publicKey',
  );
  return {
    ...statementOf(signedBytes),
    keyId: textOf(material['hint'], 'verificationMaterial.publicKey.hint'),
    signedBytes,
    signature: bytesOf(objectOf(signatures[0], 'dsseEnvelope.signatures')['sig'], 'dsseEnvelope.signatures.sig'),
  };
}

function statementOf(payload: Buffer): Pick<OpenedBundle, 'model' | 'files'> {
  const statement = objectOf(jsonOf(payload.toString('utf8'), 'the statement'), 'the statement');
  if (statement['_type'] !== STATEMENT_TYPE) throw unreadable(`its statement is not of type ${STATEMENT_TYPE}`);
  if (statement['predicateType'] !== PREDICATE_TYPE) throw unreadable(`its predicateType is not ${PREDICATE_TYPE}`);
  const subjects = listOf(statement['subject'], 'subject');
  if (subjects.length !== 1) throw unreadable(`it has ${subjects.length} subjects; a model is one`);
  const subject = objectOf(subjects[0], 'subject');
  const predicate = objectOf(statement['predicate'], 'predicate');
  if (objectOf(predicate['serialization'], 'predicate.serialization')['method'] !== 'files') {
    throw unreadable('its serialization is not by files; other ways of hashing are not read here');
  }
  const files = listOf(predicate['resources'], 'predicate.resources').map((one) => fileOf(objectOf(one, 'predicate.resources')));
  if (new Set(files.map(({ name }) => name)).size !== files.length) throw unreadable('it lists a file twice');
  if (files.length > 1 && files.some(({ name }) => name === SINGLE_FILE)) throw unreadable('it lists a single file beside others');
  const root = objectOf(subject['digest'], 'subject.digest')['sha256'];
  if (root !== rootDigest(files.map(({ sha256 }) => sha256))) throw unreadable("its subject's digest is not that of the files it lists");
  return { model: textOf(subject['name'], 'subject.name'), files };
}

function fileOf(resource: Readonly<Record<string, unknown>>): SignedFile {
  const [name, sha256] = [textOf(resource['name'], 'resources.name'), textOf(resource['digest'], 'resources.digest')];
  if (resource['algorithm'] !== 'sha256' || !/^[0-9a-f]{64}$/.test(sha256)) throw unreadable(`the digest of ${name} is not a SHA-256`);
  return { name, sha256 };
}

/** DSSE's encoding of what is signed: the type is part of it, so a signature of one kind of statement is none of another. */
function preAuthenticated(payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${payload.length} `), payload]);
}

/** The digest over the files' digests, as bytes, in their order. */
function rootDigest(digests: readonly string[]): string {
  const hash = createHash('sha256');
  for (const digest of digests) hash.update(Buffer.from(digest, 'hex'));
  return hash.digest('hex');
}

function byName(a: SignedFile, b: SignedFile): number {
  return Buffer.compare(Buffer.from(a.name), Buffer.from(b.name));
}

type Values = Readonly<Record<string, unknown>>;

function jsonOf(text: string, what: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw unreadable(`${what} is not JSON`);
  }
}

function objectOf(value: unknown, what: string): Values {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw unreadable(`${what} is not an object`);
  return value as Values;
}

function listOf(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw unreadable(`${what} is not a list`);
  return value as readonly unknown[];
}

function textOf(value: unknown, what: string): string {
  if (typeof value !== 'string' || value === '') throw unreadable(`${what} is not a text`);
  return value;
}

function bytesOf(value: unknown, what: string): Buffer {
  return Buffer.from(textOf(value, what), 'base64');
}

function unreadable(why: string): Fault {
  return new Fault('MR_SIGNING_BUNDLE', `the manifest cannot be read: ${why}`, false);
}
