/** MLflow's bounds, checked here at the wire. Where its versions differ the wider bound holds, so that no client is refused by us alone. */
export const LIMITS = {
  keyLength: 250,
  tagValueLength: 100_000,
  aliasLength: 255,
  nameLength: 256,
  modelsPerPage: 1000,
  modelsByDefault: 100,
  versionsPerPage: 200_000,
  versionsByDefault: 10_000,
} as const;
