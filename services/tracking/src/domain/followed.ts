/** Of a change that an import brings from the server where the thing itself was brought from. */
export interface Followed {
  readonly importedFrom?: string;
}

/** What the event of such a change says of it; nothing of anybody's else. */
export function followed({ importedFrom }: Followed): Followed {
  return importedFrom === undefined ? {} : { importedFrom };
}
