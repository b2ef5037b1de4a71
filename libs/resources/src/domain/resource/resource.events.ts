import type { Event } from '@millrace/kernel';

/** What is decided about one resource: subject `resource/<Kind>/<name>`. */
export type ResourceEvent = Event<'ResourceApplied', ResourceApplied> | Event<'ResourceDeleted', ResourceDeleted>;

export interface ResourceApplied {
  readonly kind: string;
  readonly name: string;
  /** The definition as applied, defaults not filled in. */
  readonly spec: Readonly<Record<string, unknown>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly description: string | null;
  /** SHA-256, lower-case hex, of the canonical text of `spec`, without what only describes it. */
  readonly hash: string;
  /** 1, 2, 3 …: grows when `hash` or `pins` change; labels and description alone make no new version. */
  readonly version: number;
  /** `<Kind>/<name>` -> version of what it rests on and does not name the version of itself. */
  readonly pins?: Readonly<Record<string, number>>;
}

export interface ResourceDeleted {
  readonly kind: string;
  readonly name: string;
  /** The last version before it was deleted; a resource applied again later goes on counting from here. */
  readonly version: number;
}
