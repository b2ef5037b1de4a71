import { decisionsTopic } from '@millrace/contracts';
import { encodeDecision } from '@millrace/event-log';
import { directoryDigest, signFiles, type SigningKey } from '@millrace/model-signing';
import type { Host } from '@millrace/service';
import { createHash } from 'node:crypto';

/** Plays the registry for tests: puts artifacts into the store and the registry's decisions on its log, in its own words. */
export class PublishedModels {
  readonly #sequences = new Map<string, number>();
  readonly #versions = new Map<string, number>();

  constructor(private readonly host: Pick<Host, 'log' | 'artifacts' | 'ids' | 'clock'>) {}

  /** Registers the next version of a model from its ONNX bytes; `digest` other than the bytes' own makes a damaged version. */
  async register(name: string, onnx: Uint8Array, digest = createHash('sha256').update(onnx).digest('hex')): Promise<number> {
    return this.#register(name, 'model.onnx', digest, (path) => this.host.artifacts.put(path, Buffer.from(onnx)));
  }

  /** Registers the next version of a model as a folder of files, by their paths in it. */
  async registerFolder(name: string, files: Readonly<Record<string, Uint8Array>>): Promise<number> {
    const entries = Object.entries(files);
    const digests = entries.map(([path, bytes]) => ({ name: path, sha256: createHash('sha256').update(bytes).digest('hex') }));
    return this.#register(name, 'model', directoryDigest(digests), async (folder) => {
      for (const [path, bytes] of entries) await this.host.artifacts.put(`${folder}/${path}`, Buffer.from(bytes));
    });
  }

  async #register(name: string, file: string, digest: string, put: (artifactPath: string) => Promise<unknown>): Promise<number> {
    const modelId = this.#modelId(name);
    if (!this.#versions.has(name)) {
      await this.#decide('models/catalog', 'ModelRegistered', { modelId, name, description: null, tags: {} });
    }
    const version = (this.#versions.get(name) ?? 0) + 1;
    this.#versions.set(name, version);
    const artifactPath = `models/${name}/${version}/${file}`;
    await put(artifactPath);
    await this.#decide(`model/${modelId}`, 'VersionRegistered', {
      ...{ version, name, source: `mlflow-artifacts:/${artifactPath}`, artifactPath, digest },
      ...{ runId: null, runLink: null, description: null, tags: {} },
    });
    return version;
  }

  /** Signs a version's only file, under the name given, which is the model's unless a test wants a wrong one. */
  async sign(name: string, version: number, sha256: string, key: SigningKey, signedAs = name): Promise<void> {
    const manifest = Buffer.from(signFiles(signedAs, [{ name: '.', sha256 }], key));
    const manifestDigest = createHash('sha256').update(manifest).digest('hex');
    const manifestPath = `manifests/${manifestDigest}.json`;
    await this.host.artifacts.put(manifestPath, manifest);
    const signature = { keyId: key.public.keyId, manifestPath, manifestDigest };
    await this.#decide(`model/${this.#modelId(name)}`, 'VersionSigned', { version, signature });
  }

  async alias(name: string, alias: string, version: number): Promise<void> {
    await this.#decide(`model/${this.#modelId(name)}`, 'AliasAssigned', { alias, version, previous: null });
  }

  #modelId(name: string): string {
    return this.host.ids.derived(name, 'model');
  }

  async #decide(subject: string, type: string, data: object): Promise<void> {
    const sequence = (this.#sequences.get(subject) ?? 0) + 1;
    this.#sequences.set(subject, sequence);
    const id = this.host.ids.next();
    const decision = { id, type, version: 1, subject, sequence, commandId: id, actor: 'test', time: this.host.clock.now(), data };
    await this.host.log.append([encodeDecision(decisionsTopic('registry'), 'registry', decision)]);
  }
}
