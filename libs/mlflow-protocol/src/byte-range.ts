import type { ByteRange } from '@millrace/artifact-store';

const ONE_RANGE = /^\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*$/i;

/**
 * What a `Range` header asks of a file of `size` bytes: `whole` where it is of another form or of several ranges, which a server is free to
 * answer with everything; `none` where no byte of the file is in it.
 */
export function byteRangeOf(header: string | undefined, size: number): ByteRange | 'whole' | 'none' {
  const [, from = '', to = ''] = ONE_RANGE.exec(header ?? '') ?? [];
  if (from === '' && to === '') return 'whole';
  if (from === '') {
    // The last so many bytes. An empty file has none to count, and no place to name.
    if (Number(to) === 0) return 'none';
    return size === 0 ? 'whole' : { start: Math.max(0, size - Number(to)), end: size - 1 };
  }
  if (to !== '' && Number(to) < Number(from)) return 'whole';
  if (Number(from) >= size) return 'none';
  return { start: Number(from), end: to === '' ? size - 1 : Math.min(Number(to), size - 1) };
}
