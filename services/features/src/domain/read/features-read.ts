/** Why a feature has no value, where it is not that the value is null. */
export type MissingStatus = 'NOT_FOUND' | 'OUTSIDE_MAX_AGE' | 'INVALID';

export interface ReadRow {
  readonly row: number;
  readonly entity: Readonly<Record<string, string | number | boolean>>;
  readonly request: Readonly<Record<string, unknown>> | null;
  readonly features: Readonly<Record<string, unknown>>;
  readonly statuses: Readonly<Record<string, MissingStatus>> | null;
}

/** Data of `millrace.features.FeaturesRead.v1`: an answer to a read of a feature service, or a part of its rows. */
export interface FeaturesRead {
  readonly readId: string;
  readonly featureService: string;
  readonly serviceVersion: number;
  readonly featureTime: number;
  readonly rows: readonly ReadRow[];
  readonly featurePositions: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly featureVersions: Readonly<Record<string, string>>;
  readonly isAgeless: boolean;
  readonly traceparent: string | null;
}
