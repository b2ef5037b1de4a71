/** The values that `bytes`, two for an element and little-endian, stand for. Every half precision is exactly an FP32. */
export function halfFromBytes(datatype: 'FP16' | 'BF16', bytes: Uint8Array): Float32Array {
  const aligned = Uint8Array.from(bytes);
  if (datatype === 'FP16') return Float32Array.from(new Float16Array(aligned.buffer));
  return new Float32Array(Uint32Array.from(new Uint16Array(aligned.buffer), (bits) => bits << 16).buffer);
}

/** The bytes of values; what lies between two half precisions goes to the nearer one, or to the even one. */
export function halfToBytes(datatype: 'FP16' | 'BF16', values: Float32Array): Buffer {
  if (datatype === 'FP16') return Buffer.from(Float16Array.from(values).buffer);
  const bits = new Uint32Array(Float32Array.from(values).buffer);
  return Buffer.from(Uint16Array.from(bits, (word, index) => (Number.isNaN(values[index]) ? 0x7fc0 : roundToEven(word))).buffer);
}

function roundToEven(word: number): number {
  return (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
}
