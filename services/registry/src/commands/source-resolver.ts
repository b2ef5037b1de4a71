import { artifactSegments, joinArtifactPath } from '@millrace/artifact-store';
import { isFault, type Rejection } from '@millrace/kernel';
import { proxiedArtifactPath } from '@millrace/mlflow-protocol';
import { directoryDigest } from '@millrace/model-signing';
import type { VersionSignature } from '../domain/model/model.events.js';
import type { RegistryView } from '../queries/registry-view.js';
import type { VersionSigner } from './version-signer.js';

/** Where a run keeps its artifacts; `undefined` for a run that is not known. */
export type RunArtifactUri = (runId: string) => Promise<string | undefined>;

/** What a version's source leads to in the artifact store. Both `null` when it lies elsewhere or nothing is there. */
export interface ResolvedSource {
  readonly artifactPath: string | null;
  readonly digest: string | null;
  /** Of the files, where there are any and the registry has a key. */
  readonly signature?: VersionSignature;
}

export type ArtifactChanged = Rejection<'MR_REGISTRY_ARTIFACT_CHANGED'>;

const ELSEWHERE: ResolvedSource = { artifactPath: null, digest: null };

/** Follows `mlflow-artifacts:`, `runs:` and `models:` sources to a path of the artifact store, digests what is there, and has it signed. */
export class SourceResolver {
  constructor(
    private readonly signer: VersionSigner,
    private readonly view: RegistryView,
    private readonly runArtifactUri: RunArtifactUri,
  ) {}

  /** A file that is another than was uploaded is refused: a signature would say that all is well with it. */
  async resolve(model: string, source: string, runId: string | null): Promise<ResolvedSource | ArtifactChanged> {
    const path = await this.#path(source, runId);
    if (path === undefined || !isArtifactPath(path)) return ELSEWHERE;
    const files = await this.signer.files(path);
    if (files.length === 0) return { artifactPath: path, digest: null };
    const [changed] = await this.signer.changed(path, files);
    if (changed) {
      const { file, uploaded, actual } = changed;
      const message =
        `${file === '.' ? path : `${path}/${file}`} is not what was uploaded: its SHA-256 is ${actual}, at the upload it was ${uploaded}. ` +
        'Find out who changed it, then upload it again and register it.';
      return { code: 'MR_REGISTRY_ARTIFACT_CHANGED', message, details: { ...changed } };
    }
    const signature = await this.signer.sign(model, files);
    return { artifactPath: path, digest: directoryDigest(files), ...(signature ? { signature } : {}) };
  }

  async #path(source: string, runId: string | null): Promise<string | undefined> {
    const proxied = proxiedArtifactPath(source);
    if (proxied !== undefined) return proxied === '' ? undefined : proxied;
    const [scheme, rest] = splitUri(source);
    const [first = '', ...below] = rest.split('/').filter((segment) => segment !== '');
    if (scheme === 'runs') {
      const root = await this.runArtifactUri(first === '' ? (runId ?? '') : first);
      const path = root === undefined ? undefined : proxiedArtifactPath(root);
      return path === undefined ? undefined : joinArtifactPath(path, ...below);
    }
    if (scheme === 'models') return this.#pathOfModel(first, below);
    return undefined;
  }

  /** `models:/name/3` and `models:/name@alias`: the artifact of a version registered before. */
  async #pathOfModel(first: string, below: readonly string[]): Promise<string | undefined> {
    await this.view.upToDate();
    const at = first.lastIndexOf('@');
    const name = decodeSafely(at > 0 ? first.slice(0, at) : first);
    const version = at > 0 ? this.view.model(name)?.model.aliases.get(first.slice(at + 1)) : Number(below[0]);
    if (version === undefined) return undefined;
    return this.view.version(name, version)?.version.artifactPath ?? undefined;
  }
}

function splitUri(uri: string): [scheme: string, rest: string] {
  const colon = uri.indexOf(':');
  return colon < 0 ? ['', uri] : [uri.slice(0, colon).toLowerCase(), uri.slice(colon + 1)];
}

function isArtifactPath(path: string): boolean {
  try {
    return artifactSegments(path).length > 0;
  } catch (error) {
    if (isFault(error)) return false;
    throw error;
  }
}

function decodeSafely(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
