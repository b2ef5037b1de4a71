import { invalid } from '../../domain/refusal.js';
import { dataFromBytes, elementBytes, elementsOf, isHalf, type Datatype, type Tensor } from '../../domain/tensor/tensor.js';
import { halfFromBytes, halfToBytes } from './half-precision.js';

// The binary tensor data extension: little-endian elements; each element of BYTES behind its length in four bytes.

/** The tensor that `bytes` hold. */
export function tensorFromBinary(name: string, datatype: Datatype, shape: readonly number[], bytes: Buffer): Tensor {
  const count = elementsOf(shape);
  if (datatype === 'BYTES') return { name, datatype, shape, data: readStrings(name, count, bytes) };
  const size = elementBytes(datatype) as number;
  if (bytes.length !== count * size)
    throw invalid(
      `input ${JSON.stringify(name)} of shape [${shape.join(',')}] and ${datatype} needs ${count * size} bytes of binary data and has ${bytes.length}`,
    );
  if (datatype === 'BOOL') mustBeBooleans(name, bytes);
  return { name, datatype, shape, data: isHalf(datatype) ? halfFromBytes(datatype, bytes) : dataFromBytes(datatype, bytes) };
}

/** The bytes of a tensor. */
export function binaryOf(tensor: Tensor): Buffer {
  if (Array.isArray(tensor.data)) {
    const parts: Buffer[] = [];
    for (const text of tensor.data) {
      const bytes = Buffer.from(text);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(bytes.length);
      parts.push(length, bytes);
    }
    return Buffer.concat(parts);
  }
  if (isHalf(tensor.datatype)) return halfToBytes(tensor.datatype, tensor.data as Float32Array);
  return Buffer.from(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength);
}

/** A model may compute with the byte, so another than 0 and 1 would be a boolean that is neither. */
function mustBeBooleans(name: string, bytes: Buffer): void {
  const odd = bytes.findIndex((byte) => byte > 1);
  if (odd >= 0) throw invalid(`input ${JSON.stringify(name)}: element ${odd} is the byte ${bytes[odd]}; BOOL is 0 or 1`);
}

function readStrings(name: string, count: number, bytes: Buffer): string[] {
  const strings: string[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    const end = offset + 4 <= bytes.length ? offset + 4 + bytes.readUInt32LE(offset) : Infinity;
    if (end > bytes.length) throw invalid(`input ${JSON.stringify(name)}: element ${strings.length} reaches beyond the binary data`);
    strings.push(utf8Element(name, strings.length, bytes.subarray(offset + 4, end)));
    if (strings.length > count) break;
    offset = end;
  }
  if (strings.length !== count)
    throw invalid(
      `input ${JSON.stringify(name)} needs ${count} elements and its binary data holds ${strings.length > count ? 'more' : strings.length}`,
    );
  return strings;
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The runtime takes strings only: bytes that are not UTF-8 would silently become other bytes. */
export function utf8Element(name: string, index: number, bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw invalid(`input ${JSON.stringify(name)}: element ${index} is not UTF-8`);
  }
}
