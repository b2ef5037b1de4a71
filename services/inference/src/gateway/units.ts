import type { ExperimentDefinition } from '../domain/deployment/definitions.js';
import { elementsOf, rowsOf, type Tensor } from '../domain/tensor/tensor.js';
import type { EntityRows } from './entity-rows.js';

interface Asked {
  readonly parameters: Readonly<Record<string, string | number | boolean>>;
  readonly inputs: readonly Tensor[];
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
