import type { LoggedDecision } from '@millrace/kernel';
import type { ResourceApplied, ResourceDeleted } from './domain/resource/resource.events.js';
import { isKind, KINDS, type DeploymentSpec, type FeatureServiceSpec, type Kind, type Resource } from './resource.js';

export interface ResourceChange<K extends Kind = Kind> {
  readonly kind: K;
  readonly name: string;
  /** Absent when the resource was deleted. */
  readonly resource: Resource<K> | undefined;
}

type Listener = (change: ResourceChange) => void;

interface Entry {
  versions: Resource[];
  isDeleted: boolean;
  /** Names that any text that was applied leaves out of records, of a version that stands in another text now too. */
  readonly redacted: Set<string>;
}

/**
 * The resources as one process knows them: a fold of the accepted decisions of domain `resources`, small enough for memory.
 * Feed it every accepted record from the beginning, in order per subject.
 */
export class ResourceCatalog {
  readonly #entries = new Map<Kind, Map<string, Entry>>(KINDS.map((kind) => [kind, new Map<string, Entry>()]));
  readonly #listeners = new Map<Kind, Set<Listener>>();

  /** Folds one accepted decision. Kinds this build does not know stay in the log and are passed over. */
  apply(record: Pick<LoggedDecision, 'type' | 'data'>): void {
    const { kind, name } = record.data as ResourceApplied | ResourceDeleted;
    if (!isKind(kind)) return;
    const entries = this.#entries.get(kind) as Map<string, Entry>;
    if (record.type === 'ResourceApplied') {
      const applied = record.data as Resource;
      const entry = entries.get(name) ?? { versions: [], isDeleted: false, redacted: new Set() };
      entry.versions[applied.version - 1] = applied;
      entry.isDeleted = false;
      const { predictionLog, readLog } = applied.spec as Partial<DeploymentSpec & FeatureServiceSpec>;
      for (const redacted of [predictionLog?.redact ?? [], readLog?.redact ?? []].flat()) entry.redacted.add(redacted);
      entries.set(name, entry);
    } else if (record.type === 'ResourceDeleted') {
      const entry = entries.get(name);
      if (entry) entry.isDeleted = true;
    } else return;
    const change: ResourceChange = { kind, name, resource: this.get(kind, name) };
    for (const listener of this.#listeners.get(kind) ?? []) listener(change);
  }

  /** Forgets every resource and every version, without a change being told: nobody may use one any more. */
  clear(): void {
    for (const entries of this.#entries.values()) entries.clear();
  }

  /** The newest version, or the one asked for; an old version is there also after the resource was deleted. */
  get<K extends Kind>(kind: K, name: string, version?: number): Resource<K> | undefined {
    const entry = this.#entries.get(kind)?.get(name);
    if (!entry) return undefined;
    if (version !== undefined) return entry.versions[version - 1] as Resource<K> | undefined;
    return entry.isDeleted ? undefined : (entry.versions.at(-1) as Resource<K>);
  }

  /** Every version there was, the newest first; also of a resource that was deleted. */
  versions<K extends Kind>(kind: K, name: string): Resource<K>[] {
    const versions = (this.#entries.get(kind)?.get(name)?.versions ?? []) as Resource<K>[];
    return versions.filter(Boolean).reverse();
  }

  /** Names that its `predictionLog.redact` or `readLog.redact` has, or ever had: records do not say by which text they were written. */
  redacted(kind: 'Deployment' | 'FeatureService', name: string): ReadonlySet<string> {
    return this.#entries.get(kind)?.get(name)?.redacted ?? new Set();
  }

  /** Present resources of a kind, by name. */
  list<K extends Kind>(kind: K): Resource<K>[] {
    return this.names(kind).flatMap((name) => this.get(kind, name) ?? []);
  }

  /** Names of a kind, also of resources that were deleted, in order. */
  names(kind: Kind): string[] {
    return [...(this.#entries.get(kind)?.keys() ?? [])].sort();
  }

  /** Calls `listener` for every resource of the kind there is, and then at every change. Returns how to stop. */
  onChange<K extends Kind>(kind: K, listener: (change: ResourceChange<K>) => void): () => void {
    let listeners = this.#listeners.get(kind);
    if (!listeners) this.#listeners.set(kind, (listeners = new Set()));
    listeners.add(listener as unknown as Listener);
    for (const resource of this.list(kind)) listener({ kind, name: resource.name, resource });
    return () => listeners.delete(listener as unknown as Listener);
  }
}
