/** Text of a URL decoded; as it is where it is not well formed. */
export function decodedSafely(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
