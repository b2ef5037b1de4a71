import { parseColumnType } from '@millrace/feature-engine';
import type { ExpectationSpec, SourceSpec } from './resource.js';
import { noColumn, type Say } from './say.js';

/** What a JSON Schema cannot say of a source's expectations: columns that must exist, and values that they can have. */
export function checkExpectations(spec: SourceSpec, say: Say): void {
  (spec.expectations ?? []).forEach((expectation, index) => {
    const field = `spec.expectations[${index}]`;
    const type = parseColumnType(spec.schema[expectation.column] ?? '');
    if (!type) return say(`${field}.column`, noColumn(expectation.column, Object.keys(spec.schema)));
    const { min, max, notNull, oneOf } = expectation;
    if (min === undefined && max === undefined && notNull !== true && oneOf === undefined)
      say(field, 'expects nothing; it needs min, max, notNull or oneOf');
    const isNumber = /^(U?Int|Float)/.test(type.name);
    for (const bound of ['min', 'max'] as const)
      if (expectation[bound] !== undefined && !isNumber)
        say(`${field}.${bound}`, `is of numbers; column ${expectation.column} is ${type.name}`);
    if (min !== undefined && max !== undefined && min > max) say(`${field}.max`, `is less than min, ${min}`);
    if (notNull === true && !type.nullable)
      say(`${field}.notNull`, `column ${expectation.column} is never null: ${type.name} without Nullable`);
    checkValues(expectation, type, (message) => say(`${field}.oneOf`, message));
  });
}

function checkValues(
  { column, oneOf = [] }: ExpectationSpec,
  type: NonNullable<ReturnType<typeof parseColumnType>>,
  say: (message: string) => void,
): void {
  if (oneOf.length > 0 && type.isTime) return say(`is not of times; column ${column} is ${type.name}`);
  const wrong = oneOf.find((value) => type.parse(value) === undefined);
  if (wrong !== undefined) say(`${JSON.stringify(wrong)} is no ${type.name}, as column ${column} is`);
}
