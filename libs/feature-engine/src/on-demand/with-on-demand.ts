import type { Value } from '../column-type.js';
import type { FeatureColumn, FeatureVectors } from '../online-reader.js';
import type { ServicePlan } from '../service-plan.js';
import { Status } from '../status.js';
import type { OnDemandColumn } from './on-demand-column.js';

/** What was asked for, of what was read: the stored columns that were asked for themselves, and those computed from them and the request. */
export function withOnDemand(
  service: ServicePlan,
  { columns: stored, positions }: FeatureVectors,
  request: readonly (readonly Value[])[],
  rows: number,
  at: number | readonly number[],
): FeatureVectors {
  const computed: { asked: OnDemandColumn; column: FeatureColumn }[] = [];
  const columns = service.columns.map((asked): FeatureColumn => {
    if (typeof asked === 'number') return stored[asked] as FeatureColumn;
    const { view, feature } = asked;
    const column = { view: view.name, name: feature.name, type: feature.type, values: [], statuses: [], times: [] };
    computed.push({ asked, column });
    return column;
  });
  const [storedRow, requestRow] = [new Array<Value>(stored.length), new Array<Value>(request.length)];
  for (let row = 0; row < rows; row++) {
    for (let index = 0; index < stored.length; index++) storedRow[index] = (stored[index] as FeatureColumn).values[row] as Value;
    for (let index = 0; index < request.length; index++) requestRow[index] = (request[index] as readonly Value[])[row] as Value;
    for (const { asked, column } of computed) {
      let isKnown = true;
      let time = 0;
      for (const { index } of asked.stored) {
        const input = stored[index] as FeatureColumn;
        // What rests on a value that cannot be told cannot be told.
        if (input.statuses[row] === Status.INVALID) isKnown = false;
        time = Math.max(time, input.times[row] as number);
      }
      const value = isKnown ? asked.value(storedRow, requestRow, typeof at === 'number' ? at : (at[row] as number)) : null;
      column.values.push(value);
      column.statuses.push(!isKnown ? Status.INVALID : value === null ? Status.NULL_VALUE : Status.PRESENT);
      column.times.push(isKnown ? time : 0);
    }
  }
  return { columns, positions };
}
