/**
 * The path below the server's artifact store that an `mlflow-artifacts:` URI names, with or without an authority
 * (`mlflow-artifacts:/1/abc/artifacts`, `mlflow-artifacts://host:8080/1/abc/artifacts`); `undefined` for any other URI.
 */
export function proxiedArtifactPath(uri: string): string | undefined {
  const match = /^mlflow-artifacts:(?:\/\/[^/]*)?\/?(.*)$/s.exec(uri);
  if (!match) return undefined;
  return (match[1] as string).replace(/^\/+|\/+$/g, '');
}
