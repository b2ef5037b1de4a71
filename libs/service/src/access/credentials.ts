/**
 * The secret a request shows: the token of `Bearer`, or the password of `Basic`. The user name is not looked at, because a key
 * says itself whose it is; MLflow's client and browsers cannot send a password without one.
 */
export function secretOf(authorization: string | undefined): string | undefined {
  if (authorization === undefined) return undefined;
  const space = authorization.indexOf(' ');
  const scheme = authorization.slice(0, space).toLowerCase();
  const rest = authorization.slice(space + 1).trim();
  if (space < 0 || rest === '') return undefined;
  if (scheme === 'bearer') return rest;
  if (scheme !== 'basic') return undefined;
  const text = Buffer.from(rest, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  const password = colon < 0 ? '' : text.slice(colon + 1);
  return password === '' ? undefined : password;
}
