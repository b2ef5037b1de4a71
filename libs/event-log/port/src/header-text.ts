const LONE_SURROGATE = /\p{Surrogate}/gu;

/** Any text as ASCII, for headers that tools show as they are. Half a character (a string cut in the middle of one) becomes U+FFFD. */
export function encodeText(text: string): string {
  return encodeURIComponent(text.replace(LONE_SURROGATE, '\uFFFD'));
}

/** Reads {@link encodeText}'s text; what somebody else has written comes back as it is. */
export function decodeText(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
