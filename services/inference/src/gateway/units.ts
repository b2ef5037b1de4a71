import type { ExperimentDefinition } from '../domain/deployment/definitions.js';
import { elementsOf, rowsOf, type Tensor } from '../domain/tensor/tensor.js';
import type { EntityRows } from './entity-rows.js';
import type { FeatureServiceShape } from './feature-vectors.js';

interface Asked {
  readonly parameters: Readonly<Record<string, string | number | boolean>>;
  readonly inputs: readonly Tensor[];
}

/** Where the units of a record are from, as far as that can be told. */
export interface UnitSource {
  /** The one name they were taken from, or all that they may be of where they were said; `undefined` where those are not known here. */
  readonly names: readonly string[] | undefined;
  /** Said beside the inputs, not taken from them: any value of a row may be its unit. */
  readonly isSaid: boolean;
}

/** Units that were taken from a join key or input; from none where no name is given. */
export function unitsTaken(name: string | undefined): UnitSource {
  return { names: name === undefined ? [] : [name], isSaid: false };
}

/** Units that came beside the inputs: the experiment's, or any join key of the deployment's feature service, whose shape may not be known here now. */
export function unitsSaid(
  experimentUnit: string | undefined,
  featureService: string | undefined,
  shape: FeatureServiceShape | undefined,
): UnitSource {
  if (featureService !== undefined && !shape) return { names: undefined, isSaid: true };
  const joinKeys = shape?.joinKeys.map(({ name }) => name) ?? [];
  return { names: experimentUnit === undefined ? joinKeys : [experimentUnit, ...joinKeys], isSaid: true };
}

/** Where the units are taken from: the request's parameter `unit`, or a join key or input. */
export function unitNameOf(
  experiment: ExperimentDefinition | undefined,
  entityRows: EntityRows | undefined,
  { parameters }: Asked,
): string | undefined {
  if (parameters['unit'] !== undefined) return 'unit';
  return experiment?.unit ?? (entityRows && Object.keys(entityRows.entities[0] ?? {})[0]);
}

/** The unit of each row; `null` where the request does not say it. */
export function unitsOf(
  experiment: ExperimentDefinition | undefined,
  entityRows: EntityRows | undefined,
  asked: Asked,
  count: number,
): (string | null)[] {
  const given = asked.parameters['unit'];
  if (given !== undefined) return new Array<string>(count).fill(String(given));
  const name = unitNameOf(experiment, entityRows, asked);
  if (entityRows)
    return entityRows.entities.map((entity, row) =>
      textOf(name === undefined ? undefined : (entity[name] ?? entityRows.requests[row]?.[name])),
    );
  const input = name === undefined ? undefined : asked.inputs.find((tensor) => tensor.name === name);
  // Of a tensor with several values a row none is the unit.
  if (!input || rowsOf(input) !== count || elementsOf(input.shape) !== count || input.data.length !== count)
    return new Array<null>(count).fill(null);
  return Array.from(input.data as Iterable<string | number | bigint>, (value) =>
    input.datatype === 'BOOL' ? String(value !== 0) : textOf(Number.isNaN(value) ? undefined : value),
  );
}

function textOf(value: string | number | bigint | boolean | null | undefined): string | null {
  return value === undefined || value === null ? null : String(value);
}
