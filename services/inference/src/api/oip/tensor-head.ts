import { invalid } from '../../domain/refusal.js';
import { elementsOf, isDatatype, type Datatype } from '../../domain/tensor/tensor.js';

/** Elements of one tensor at most; a shape is a claim, and a claim must not make us reserve memory. */
const MAX_ELEMENTS = 64 * 1024 * 1024;

const MAX_RANK = 32;

/** What a request says of an input before its data: checked, whichever way it came. */
export function readTensorHead(name: unknown, datatype: unknown, shape: unknown): { name: string; datatype: Datatype; sizes: number[] } {
  if (typeof name !== 'string' || name === '') throw invalid('an input has no name');
  if (!isDatatype(datatype)) throw invalid(`input ${JSON.stringify(name)}: ${shownDatatype(datatype)} is not one of the protocol`);
  if (!Array.isArray(shape) || !shape.every((size) => Number.isSafeInteger(size) && (size as number) >= 0))
    throw invalid(`input ${JSON.stringify(name)}: shape must be a list of sizes of 0 or more`);
  const sizes = shape as number[];
  if (sizes.length > MAX_RANK) throw invalid(`input ${JSON.stringify(name)} has ${sizes.length} dimensions; at most ${MAX_RANK} are taken`);
  if (elementsOf(sizes) > MAX_ELEMENTS)
    throw invalid(`input ${JSON.stringify(name)}: shape [${sizes.join(',')}] has more than ${MAX_ELEMENTS} elements`);
  return { name, datatype, sizes };
}

function shownDatatype(datatype: unknown): string {
  return typeof datatype === 'string' ? `datatype ${JSON.stringify(datatype)}` : 'a datatype that is not a text';
}
