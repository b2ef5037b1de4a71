const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Whether lists and objects of a JSON text lie deeper in one another than `limit`. Looks at bytes only, and no further than it must. */
export function isDeeperThan(json: Uint8Array, limit: number): boolean {
  // What does not open so many brackets at all is not as deep, and nearly no request does.
  if (opens(json, limit + 1) <= limit) return false;
  let depth = 0;
  let isText = false;
  for (let at = 0; at < json.length; at++) {
    const byte = json[at];
    if (isText) {
      if (byte === BACKSLASH) at++;
      else if (byte === QUOTE) isText = false;
      continue;
    }
    if (byte === QUOTE) isText = true;
    // Opening brackets are 0x5b and 0x7b, closing ones 0x5d and 0x7d.
    else if (byte === 0x5b || byte === 0x7b) {
      if (++depth > limit) return true;
    } else if (byte === 0x5d || byte === 0x7d) depth--;
  }
  return false;
}

/** How many lists and objects are opened, up to `most`: finding the next bracket is one search of the runtime's own. */
function opens(json: Uint8Array, most: number): number {
  let count = 0;
  for (const bracket of [0x5b, 0x7b])
    for (let at = json.indexOf(bracket); at >= 0 && count < most; at = json.indexOf(bracket, at + 1)) count++;
  return count;
}
