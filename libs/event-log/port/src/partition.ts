/**
 * The partition of a key: murmur2 over its UTF-8 bytes, as Kafka's own default partitioner computes it, so that a foreign
 * producer with the default partitioner agrees with us. Always passed explicitly: a client that partitions again on retry would tear a key's order.
 */
export function partitionOf(key: string | null, partitions: number): number {
  if (partitions === 1 || key === null) return 0;
  return (murmur2(Buffer.from(key)) & 0x7fffffff) % partitions;
}

const M = 0x5bd1e995;

function murmur2(data: Uint8Array): number {
  const length = data.length;
  let h = 0x9747b28c ^ length;
  let i = 0;
  for (; i + 4 <= length; i += 4) {
    let k = (data[i] as number) | ((data[i + 1] as number) << 8) | ((data[i + 2] as number) << 16) | ((data[i + 3] as number) << 24);
    k = Math.imul(k, M);
    k ^= k >>> 24;
    k = Math.imul(k, M);
    h = Math.imul(h, M) ^ k;
  }
  const left = length - i;
  if (left >= 3) h ^= (data[i + 2] as number) << 16;
  if (left >= 2) h ^= (data[i + 1] as number) << 8;
  if (left >= 1) {
    h ^= data[i] as number;
    h = Math.imul(h, M);
  }
  h ^= h >>> 13;
  h = Math.imul(h, M);
  return h ^ (h >>> 15);
}
