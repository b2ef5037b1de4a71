import { artifactSegments, joinArtifactPath } from '@millrace/artifact-store';
import { isFault, type Rejection } from '@millrace/kernel';
import { decodedSafely, proxiedArtifactPath } from '@millrace/mlflow-protocol';
import { directoryDigest } from '@millrace/model-signing';
import type { VersionSignature } from '../domain/model/model.events.js';
import { isLoggedModelId } from './run-artifacts.js';
import type { RegistryView } from '../queries/registry-view.js';
import type { VersionSigner } from './version-signer.js';

/** Where a logged model keeps its files, and the run that made it. */
export interface LoggedModelArtifacts {
  readonly artifactUri: string;
  readonly sourceRunId: string | null;
}

/** Where runs and logged models keep their artifacts; `undefined` for what is not known. */
export interface TrackedArtifacts {
  ofRun(runId: string): Promise<string | undefined>;
  ofLoggedModel(modelId: string): Promise<LoggedModelArtifacts | undefined>;
}

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
    private readonly tracked: TrackedArtifacts,
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

  /** The logged model a source is of; `undefined` when it is of none, `null` when it names one that is not there. */
  async loggedModel(
    source: string,
    modelId: string | null,
  ): Promise<(LoggedModelArtifacts & { readonly modelId: string }) | null | undefined> {
    const [scheme, rest] = splitUri(source);
    const [first = ''] = rest.split('/').filter((segment) => segment !== '');
    const named = scheme === 'models' && isLoggedModelId(first) ? first : modelId;
    if (named === null) return undefined;
    const model = await this.tracked.ofLoggedModel(named);
    return model ? { ...model, modelId: named } : null;
  }

  async #path(source: string, runId: string | null): Promise<string | undefined> {
    const proxied = proxiedArtifactPath(source);
    if (proxied !== undefined) return proxied === '' ? undefined : proxied;
    const [scheme, rest] = splitUri(source);
    const [first = '', ...below] = rest.split('/').filter((segment) => segment !== '');
    if (scheme === 'runs') {
      const root = await this.tracked.ofRun(first === '' ? (runId ?? '') : first);
      const path = root === undefined ? undefined : proxiedArtifactPath(root);
      return path === undefined ? undefined : joinArtifactPath(path, ...below);
    }
    if (scheme === 'models' && isLoggedModelId(first)) {
      const model = await this.tracked.ofLoggedModel(first);
      const path = model && proxiedArtifactPath(model.artifactUri);
      return path === undefined ? undefined : joinArtifactPath(path, ...below);
    }
    if (scheme === 'models') return this.#pathOfModel(first, below);
    return undefined;
  }

  /** `models:/name/3` and `models:/name@alias`: the artifact of a version registered before. */
  async #pathOfModel(first: string, below: readonly string[]): Promise<string | undefined> {
    await this.view.upToDate();
    const at = first.lastIndexOf('@');
    const name = decodedSafely(at > 0 ? first.slice(0, at) : first);
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
