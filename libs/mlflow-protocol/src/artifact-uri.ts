/**
 * The path below the server's artifact store that an `mlflow-artifacts:` URI names, with or without an authority
 * (`mlflow-artifacts:/1/abc/artifacts`, `mlflow-artifacts://host:8080/1/abc/artifacts`); `undefined` for any other URI.
 */
export function proxiedArtifactPath(uri: string): string | undefined {
  const match = /^mlflow-artifacts:(?:\/\/[^/]*)?\/?(.*)$/s.exec(uri);
  if (!match) return undefined;
  return (match[1] as string).replace(/^\/+|\/+$/g, '');
}

/** An id of a run or a logged model, as tracking gives and imports them. */
const ID = /^[\w-]{1,256}$/;

/**
 * Who may own the folder of the artifact store that a path lies in, outermost first: `1/<run id>/artifacts/model` and
 * `1/models/<logged model>/artifacts` name one; below an experiment whose own place holds `artifacts`, or with a folder of that name in a
 * model, there are several. A path says nothing for certain: look where the files of whom it names really are.
 */
export function artifactOwners(path: string | null): readonly string[] {
  const parts = path === null ? [] : path.split('/');
  return [...new Set(parts.filter((part, at) => ID.test(part) && parts[at + 1] === 'artifacts'))];
}
