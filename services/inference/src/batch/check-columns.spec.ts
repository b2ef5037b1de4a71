import { describe, expect, test } from '@jest/globals';
import { bareType, checkFeatureNames, checkModelColumns, checkNames, checkNested, hasAllColumns, outputColumns } from './check-columns.js';

const matrix = { inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }], features: ['view__a', 'b'] } as const;
const named = {
  inputs: [
    { name: 'age', datatype: 'INT64', shape: [-1, 1] },
    { name: 'town', datatype: 'BYTES', shape: [-1] },
  ],
  features: undefined,
} as const;
const column = (name: string, type: string): { name: string; type: string } => ({ name, type });

describe('the columns of an input', () => {
  test('go into a matrix by the names of the model, with the view before them or without', () => {
    expect(() =>
      checkModelColumns(matrix, [column('a', 'Nullable(Float64)'), column('b', 'LowCardinality(Nullable(Int8))')]),
    ).not.toThrow();
    expect(hasAllColumns(matrix, [column('view__a', 'String'), column('b', 'Int8')])).toBe(true);
    expect(hasAllColumns(matrix, [column('b', 'Int8')])).toBe(false);
  });

  test('go into inputs by their names; text takes anything', () => {
    expect(() => checkModelColumns(named, [column('age', 'UInt8'), column('town', 'Date')])).not.toThrow();
  });

  test('are all named when they are amiss', () => {
    expect(() => checkModelColumns(named, [column('age', 'DateTime'), column('city', 'String')])).toThrow(
      'column "age" is DateTime; the model\'s input "age" (INT64 [-1,1]) takes numbers; ' +
        'there is no column "town", which the model takes in its input "town" (BYTES [-1]). The input has age DateTime, city String',
    );
  });

  test('of a matrix without names have to be named', () => {
    expect(() => checkModelColumns({ ...matrix, features: undefined }, [column('a', 'Int8')])).toThrow(/millrace.features/);
  });

  test('of a matrix are named by the request, as many as it takes, or by the model', () => {
    const unnamed = { ...matrix, features: undefined };
    expect(() => checkFeatureNames(unnamed, false)).toThrow(
      'input "x" takes 2 values a row, and the model does not say which columns they are; name them in order in features, ' +
        "or once for all in the model's metadata entry millrace.features, a JSON list",
    );
    expect(() => checkFeatureNames({ ...matrix, features: ['a'] }, true)).toThrow(
      'features names 1 columns, and input "x" takes 2 values a row',
    );
    expect(() => checkFeatureNames({ ...named, features: ['a'] }, true)).toThrow(/features is for a model with one input/);
    for (const layout of [matrix, named]) expect(() => checkFeatureNames(layout, false)).not.toThrow();
  });

  test('that are lists are left out where nobody asks for them, and refused by name where somebody does', () => {
    const staged = { nested: ['probabilities', 'b'] };
    expect(() => checkNested(staged, matrix, ['a'])).toThrow(/column "b" of the Parquet file is nested.*the model takes it/);
    expect(() => checkNested(staged, named, undefined)).toThrow(/column "probabilities" .* is nested.*name in keep/);
    expect(() => checkNested(staged, named, ['age', 'probabilities'])).toThrow(/column "probabilities" .*leave it out of keep/);
    expect(() => checkNested(staged, named, ['age'])).not.toThrow();
    expect(() => checkNested({ nested: [] }, named, undefined)).not.toThrow();
  });

  test('and the values do not have the same name', () => {
    const columns = [column('a', 'Int8'), column('p', 'Int8')];
    expect(() => checkNames(['a', 'p'], columns, ['p'])).toThrow(/the input has a column "p", and so has the output/);
    expect(() => checkNames(['a'], columns, ['p'])).not.toThrow();
    expect(() => checkNames(['q'], columns, ['p'])).toThrow(/keep names "q", and the input has no such column; it has a, p/);
  });
});

test('values are one to a row, or a list', () => {
  const specs = [
    { name: 'one', datatype: 'FP32', shape: [-1, 1] },
    { name: 'scalar', datatype: 'INT64', shape: [-1] },
    { name: 'three', datatype: 'FP64', shape: [-1, 3] },
    { name: 'free', datatype: 'BYTES', shape: [-1, -1] },
    { name: 'unknown', datatype: 'BOOL', shape: undefined },
  ] as const;
  const names = specs.map(({ name }) => name);
  expect(outputColumns(specs, names, 'p_').map(({ name, type }) => [name, type])).toEqual([
    ['p_one', 'Nullable(Float32)'],
    ['p_scalar', 'Nullable(Int64)'],
    ['p_three', 'Array(Float64)'],
    ['p_free', 'Array(String)'],
    ['p_unknown', 'Array(Bool)'],
  ]);
  expect(bareType('LowCardinality(Nullable(String))')).toBe('String');
});
