/** Every way in which `newer` refuses what `older` accepted; empty when there is none. */
export function narrowings(older: object | boolean, newer: object | boolean): string[];
