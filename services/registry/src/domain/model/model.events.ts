import type { Event } from '@millrace/kernel';

/**
 * What the registry decides about one registered model's versions: subject `model/<modelId>`.
 * `models:/name@alias` resolves by folding these beside `models/catalog`: name -> modelId, alias -> version, version -> artifact.
 */
export type ModelEvent =
  | Event<'VersionRegistered', VersionRegistered>
  | Event<'VersionSigned', VersionSigned>
  | Event<'VersionDescribed', VersionDescribed>
  | Event<'VersionTagged', VersionTagged>
  | Event<'VersionUntagged', VersionUntagged>
  | Event<'VersionMoved', VersionMoved>
  | Event<'VersionDeleted', VersionDeleted>
  | Event<'AliasAssigned', AliasAssigned>
  | Event<'AliasRemoved', AliasRemoved>;

export const STAGES = ['None', 'Staging', 'Production', 'Archived'] as const;

export type Stage = (typeof STAGES)[number];

export interface VersionRegistered {
  /** 1, 2, 3 …; a number is never given twice, also not after its version was deleted. */
  readonly version: number;
  /** The model's name at this moment; a later rename does not change it here. */
  readonly name: string;
  /** As the client gave it: `mlflow-artifacts:/…`, `runs:/…`, `models:/…`, `s3://…`. */
  readonly source: string;
  /** Path of the model (a file, or a directory) below the artifact store's root; `null` when the source lies elsewhere. */
  readonly artifactPath: string | null;
  /**
   * SHA-256 of the artifact in lower-case hex, when it could be read at registration: of a file its bytes; of a directory the
   * text `<sha256 of the file>  <path below the directory>\n` for each file, in the order of the paths' UTF-8 bytes.
   */
  readonly digest: string | null;
  readonly runId: string | null;
  /** The logged model it is made of; absent for one that is not. */
  readonly modelId?: string;
  readonly runLink: string | null;
  readonly description: string | null;
  readonly tags: Readonly<Record<string, string>>;
  /** Absent when the registry had no key, or could not read the files. */
  readonly signature?: VersionSignature;
  /** Of one that was brought from another server. */
  readonly imported?: ImportedVersion;
}

/** Which key has signed a version's files, and where the signed manifest is. */
export interface VersionSignature {
  /** SHA-256 of the public key's PEM. */
  readonly keyId: string;
  /** Path of the manifest below the artifact store's root. */
  readonly manifestPath: string;
  /** SHA-256 of the manifest's bytes: the log says which one it was. */
  readonly manifestDigest: string;
}

/** A version that had no signature got one, or one of another key. */
export interface VersionSigned {
  readonly version: number;
  readonly signature: VersionSignature;
}

/** Where and when a version was made that was brought here. Times are milliseconds since the epoch. */
export interface ImportedVersion {
  readonly origin: string;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** Its stage there, with which it begins here. */
  readonly stage: Stage;
  readonly userId: string;
}

export interface VersionDescribed {
  readonly version: number;
  readonly description: string;
  /** The server where it was changed so, when an import has followed it. */
  readonly importedFrom?: string;
}

export interface VersionTagged {
  readonly version: number;
  readonly key: string;
  readonly value: string;
  /** The server where it was changed so, when an import has followed it. */
  readonly importedFrom?: string;
}

export interface VersionUntagged {
  readonly version: number;
  readonly key: string;
  /** The server where it was changed so, when an import has followed it. */
  readonly importedFrom?: string;
}

export interface VersionMoved {
  readonly version: number;
  readonly from: Stage;
  readonly to: Stage;
  /** Versions that were in stage `to` before and were moved to Archived by the same decision. */
  readonly archived: readonly number[];
  /** The promotion request that is fulfilled by it, if it is one. */
  readonly request?: number;
  /** Why, where somebody said so. */
  readonly reason?: string;
  /** The version that turned out bad, when this goes back to an earlier one. */
  readonly rollsBack?: number;
  /** The server where it was changed so, when an import has followed it. */
  readonly importedFrom?: string;
}

export interface VersionDeleted {
  readonly version: number;
  /** Aliases that pointed to it and are gone with it. */
  readonly aliases: readonly string[];
}

export interface AliasAssigned {
  readonly alias: string;
  readonly version: number;
  /** The version the alias pointed to until now. */
  readonly previous: number | null;
  /** The promotion request that is fulfilled by it, if it is one. */
  readonly request?: number;
  /** Why, where somebody said so. */
  readonly reason?: string;
  /** The version that turned out bad, when this goes back to an earlier one. */
  readonly rollsBack?: number;
  /** The server where it was changed so, when an import has followed it. */
  readonly importedFrom?: string;
}

export interface AliasRemoved {
  readonly alias: string;
  readonly version: number;
}
