import { invalid } from '../../domain/refusal.js';

/** Extensions of Triton's, by the parameter of a tensor that asks for them. */
const UNOFFERED: readonly (readonly [parameter: string, mend: string])[] = [
  ['classification', 'classification is not offered here; ask for the scores and take the largest'],
  ['shared_memory_region', 'shared memory is not offered here; send and ask for the data itself'],
];

/** Answered as if it were not there, a caller would take scores for classes, or read a region that nobody has written. */
export function refuseUnoffered(owner: string, parameters: Readonly<Record<string, unknown>>): void {
  for (const [parameter, mend] of UNOFFERED)
    if (Object.hasOwn(parameters, parameter)) throw invalid(`${owner}: parameter ${JSON.stringify(parameter)}: ${mend}`);
}
