/**
 * A value that remembers which of its fields were looked at. A validator looks at every field that its schema knows, so a field that nobody
 * looked at is one that Kubernetes would refuse, or drop.
 */
export function observed<T extends object>(value: T): { readonly value: T; readonly unread: () => string[] } {
  const read = new Set<string>();
  const wrap = (part: unknown, path: string): unknown => {
    if (typeof part !== 'object' || part === null) return part;
    const copy: Record<string, unknown> | unknown[] = Array.isArray(part) ? [] : {};
    for (const [key, inner] of Object.entries(part)) {
      const own = pathOf(path, key, part);
      const wrapped = wrap(inner, own);
      Object.defineProperty(copy, key, {
        enumerable: true,
        configurable: true,
        get: () => {
          read.add(own);
          return wrapped;
        },
      });
    }
    return copy;
  };
  const paths = (part: unknown, path: string): string[] =>
    typeof part !== 'object' || part === null
      ? []
      : Object.entries(part).flatMap(([key, inner]) => {
          const own = pathOf(path, key, part);
          return read.has(own) ? paths(inner, own) : [own];
        });
  return { value: wrap(value, '') as T, unread: () => paths(value, '') };
}

function pathOf(path: string, key: string, parent: object): string {
  if (Array.isArray(parent)) return `${path}[${key}]`;
  return path === '' ? key : `${path}.${key}`;
}
