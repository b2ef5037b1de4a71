/** A name as an argument of the command line: errors name commands that can be copied. */
export function shellArgument(name: string): string {
  return /^[\w.@/-]+$/.test(name) ? name : `'${name.replaceAll("'", `'\\''`)}'`;
}
