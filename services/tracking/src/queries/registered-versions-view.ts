import { aggregateOf, type DecisionReplica, type LoggedDecision } from '@millrace/kernel';
import { artifactOwners } from '@millrace/mlflow-protocol';
import {
  MODELS_SUBJECT,
  type ModelNames,
  type ModelVersions,
  type RegisteredVersion,
} from '../domain/registered-versions/registered-versions.js';

/** The registry's decisions as this view reads them. */
export interface RegistryLog {
  readonly replica: DecisionReplica;
  barrier(): Promise<void>;
  onAccepted(listener: (record: LoggedDecision) => void): () => void;
}

export interface NamedVersion extends RegisteredVersion {
  readonly name: string;
  readonly aliases: readonly string[];
}

/** Versions of registered models, found by the run or the logged model they were made of. */
export class RegisteredVersionsView {
  /** Subjects of the models that have a version of a run or a logged model; the versions themselves are the replica's. */
  readonly #subjects = new Map<string, Set<string>>();

  /** Make it right after the registry was followed, so that no decision passes unheard. */
  constructor(private readonly log: RegistryLog) {
    log.onAccepted(({ type, subject, data }) => {
      if (type !== 'VersionRegistered' || aggregateOf(subject) !== 'model') return;
      const { runId, modelId, artifactPath } = data as { runId: string | null; modelId?: string; artifactPath: string | null };
      for (const owner of artifactOwners(artifactPath)) this.#add(`files/${owner}`, subject);
      if (runId !== null) this.#add(`run/${runId}`, subject);
      if (modelId !== undefined) this.#add(`logged-model/${modelId}`, subject);
    });
  }

  /** Waits until every decision of the registry that the log holds now is folded. */
  upToDate(): Promise<void> {
    return this.log.barrier();
  }

  ofRun(runId: string): NamedVersion[] {
    return this.#versions(`run/${runId}`, (version) => version.runId === runId);
  }

  ofLoggedModel(modelId: string): NamedVersion[] {
    return this.#versions(`logged-model/${modelId}`, (version) => version.loggedModelId === modelId);
  }

  /** Versions whose files lie in a run's folder, whichever run they name. */
  withFilesIn(runId: string, folder: string): NamedVersion[] {
    return this.#versions(`files/${runId}`, ({ artifactPath }) => `${artifactPath ?? ''}/`.startsWith(`${folder}/`));
  }

  clear(): void {
    this.#subjects.clear();
  }

  #versions(key: string, isWanted: (version: RegisteredVersion) => boolean): NamedVersion[] {
    const { names } = this.log.replica.subject(MODELS_SUBJECT).state as ModelNames;
    const found: NamedVersion[] = [];
    for (const subject of this.#subjects.get(key) ?? []) {
      const name = names.get(subject.slice('model/'.length));
      if (name === undefined) continue;
      const { versions, aliases } = this.log.replica.subject(subject).state as ModelVersions;
      for (const version of versions.values()) {
        if (!isWanted(version)) continue;
        const own = [...aliases].filter(([, number]) => number === version.version).map(([alias]) => alias);
        found.push({ ...version, name, aliases: own });
      }
    }
    return found;
  }

  #add(key: string, subject: string): void {
    const subjects = this.#subjects.get(key);
    if (subjects) subjects.add(subject);
    else this.#subjects.set(key, new Set([subject]));
  }
}
