import type { Event } from '@millrace/kernel';

/**
 * What the registry decides about registered models as such: which exist, under which name, described and tagged how.
 * All are decisions of the one subject `models/catalog`, because a name may be held by one model only. A model's identity is
 * `modelId`, so a rename keeps its history; its versions, stages and aliases are decisions of `model/<modelId>`.
 */
export type ModelsEvent =
  | Event<'ModelRegistered', ModelRegistered>
  | Event<'ModelRenamed', ModelRenamed>
  | Event<'ModelDescribed', ModelDescribed>
  | Event<'ModelTagged', ModelTagged>
  | Event<'ModelUntagged', ModelUntagged>
  | Event<'ModelDeleted', ModelDeleted>;

export interface ModelRegistered {
  /** 32 lower-case hex characters; the versions are decided on subject `model/<modelId>`. */
  readonly modelId: string;
  readonly name: string;
  readonly description: string | null;
  readonly tags: Readonly<Record<string, string>>;
  /** Of one that was brought from another server. */
  readonly imported?: ImportedModel;
}

/** Where and when a model was made that was brought here. Times are milliseconds since the epoch. */
export interface ImportedModel {
  readonly origin: string;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface ModelRenamed {
  readonly modelId: string;
  readonly from: string;
  readonly to: string;
}

export interface ModelDescribed {
  readonly modelId: string;
  readonly description: string;
  /** The server where it was changed so, when an import has followed it. */
  readonly importedFrom?: string;
}

export interface ModelTagged {
  readonly modelId: string;
  readonly key: string;
  readonly value: string;
  /** The server where it was changed so, when an import has followed it. */
  readonly importedFrom?: string;
}

export interface ModelUntagged {
  readonly modelId: string;
  readonly key: string;
  /** The server where it was changed so, when an import has followed it. */
  readonly importedFrom?: string;
}

/** The model and all its versions are gone; the name is free for another model, which gets another id. */
export interface ModelDeleted {
  readonly modelId: string;
  readonly name: string;
}
