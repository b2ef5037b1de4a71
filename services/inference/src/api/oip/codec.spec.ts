import { parseExactJson } from '@millrace/kernel';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { emptyData, setElement, type Datatype, type Tensor } from '../../domain/tensor/tensor.js';
import { binaryOf, tensorFromBinary } from './binary-tensor.js';
import { parseInferRequest } from './infer-request.js';
import { encodeInferResponse } from './infer-response.js';
import { jsonOfData, tensorFromJson } from './json-tensor.js';

const VALUES: Readonly<Record<Datatype, fc.Arbitrary<number | bigint | string>>> = {
  BOOL: fc.integer({ min: 0, max: 1 }),
  UINT8: fc.integer({ min: 0, max: 0xff }),
  UINT16: fc.integer({ min: 0, max: 0xffff }),
  UINT32: fc.integer({ min: 0, max: 0xffff_ffff }),
  UINT64: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  INT8: fc.integer({ min: -0x80, max: 0x7f }),
  INT16: fc.integer({ min: -0x8000, max: 0x7fff }),
  INT32: fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff }),
  INT64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  FP16: fc.float({ noNaN: true, min: -65504, max: 65504 }).map((value) => new Float16Array([value])[0] as number),
  BF16: fc.nat(0x7f7f).map((bits) => new Float32Array(Uint32Array.of(bits << 16).buffer)[0] as number),
  FP32: fc.float({ noNaN: true, noDefaultInfinity: true }),
  FP64: fc.double({ noNaN: true, noDefaultInfinity: true }),
  BYTES: fc.string({ unit: 'grapheme' }),
};

const tensor: fc.Arbitrary<Tensor> = fc
  .record({ datatype: fc.constantFrom(...(Object.keys(VALUES) as Datatype[])), rows: fc.nat(4), columns: fc.nat(4) })
  .chain(({ datatype, rows, columns }) =>
    fc.array(VALUES[datatype], { minLength: rows * columns, maxLength: rows * columns }).map((values) => {
      const data = emptyData(datatype, values.length);
      for (const [index, value] of values.entries()) setElement(data, index, value);
      return { name: 'x', datatype, shape: [rows, columns], data };
    }),
  );

/** -0 and 0 are one number to JSON. */
const plain = (value: Tensor): unknown[] => Array.from(value.data as Iterable<unknown>, (item) => (Object.is(item, -0) ? 0 : item));

describe('tensors', () => {
  test('come back from JSON as they were, flat or nested', () => {
    fc.assert(
      fc.property(tensor, fc.boolean(), (value, isNested) => {
        const flat = parseExactJson(jsonOfData(value)) as unknown[];
        const [rows, columns] = value.shape as [number, number];
        const data = isNested ? Array.from({ length: rows }, (_, row) => flat.slice(row * columns, (row + 1) * columns)) : flat;
        expect(plain(tensorFromJson('x', value.datatype, value.shape, data))).toEqual(plain(value));
      }),
    );
  });

  test('come back from bytes as they were', () => {
    fc.assert(
      fc.property(tensor, (value) => {
        const bytes = Buffer.from(binaryOf(value));
        expect(tensorFromBinary('x', value.datatype, value.shape, bytes)).toEqual(value);
      }),
    );
  });

  test('of FP32 take null for a missing value, and give it', () => {
    const value = tensorFromJson('x', 'FP32', [2], [1.5, null]);
    expect(value.data[1]).toBeNaN();
    expect(jsonOfData(value)).toBe('[1.5,null]');
  });

  test.each<[Datatype, unknown]>([
    ['INT8', 128],
    ['UINT8', -1],
    ['INT32', 1.5],
    ['INT64', 2 ** 63],
    ['UINT64', -1],
    ['BOOL', 2],
    ['BYTES', 1],
    ['FP32', '1'],
    ['FP32', 1e39],
    ['FP16', 65520],
    ['FP64', Infinity],
    ['FP32', true],
    ['BYTES', 'half of a pair: \ud800'],
  ])('%s refuses %j', (datatype, value) => {
    expect(() => tensorFromJson('x', datatype, [1], [value])).toThrow(/input "x": .* is not a value of/);
  });

  test('64-bit integers beyond 2^53 keep their digits', () => {
    const parsed = parseExactJson('{"data":[9007199254740993,-9223372036854775808,12345678901234567890, 0.12345678901234567]}') as {
      data: unknown[];
    };
    expect(parsed.data).toEqual([9007199254740993n, -9223372036854775808n, 12345678901234567890n, 0.12345678901234567]);
  });
});

describe('requests', () => {
  const input = (extra: object = {}): object => ({ name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2], ...extra });
  const parse = (request: object, binary?: Buffer): ReturnType<typeof parseInferRequest> => {
    const head = Buffer.from(JSON.stringify(request));
    return binary ? parseInferRequest(Buffer.concat([head, binary]), head.length) : parseInferRequest(head, undefined);
  };

  test('binary tensors follow the JSON in the order of the inputs', () => {
    const first = Buffer.from(Float32Array.of(1, 2).buffer);
    const second = Buffer.concat([Buffer.from([2, 0, 0, 0]), Buffer.from('hi'), Buffer.from([0, 0, 0, 0])]);
    const request = parse(
      {
        inputs: [
          { name: 'x', datatype: 'FP32', shape: [1, 2], parameters: { binary_data_size: 8 } },
          { name: 'y', datatype: 'INT32', shape: [1], data: [7] },
          { name: 'z', datatype: 'BYTES', shape: [2], parameters: { binary_data_size: second.length } },
        ],
      },
      Buffer.concat([first, second]),
    );
    expect(request.inputs.map((tensorOf) => Array.from(tensorOf.data as Iterable<unknown>))).toEqual([[1, 2], [7], ['hi', '']]);
  });

  describe('the text of the data', () => {
    const sentOf = (request: string) => parseInferRequest(Buffer.from(request), undefined).inputs[0]?.sent;
    const head = '"name":"x","datatype":"FP32","shape":[3]';

    test('of one flat list of numbers is kept as it came', () => {
      expect(sentOf(`{"inputs":[{${head},"data":[1, -0.0,3e1]}]}`)).toBe('[1, -0.0,3e1]');
      expect(sentOf(`{"id":"5","inputs":[{"data" : [1,2,3],${head}}],"parameters":{"x":1}}`)).toBe('[1,2,3]');
    });

    test.each([
      ['nested', `{"inputs":[{"name":"x","datatype":"FP32","shape":[1,3],"data":[[1,2,3]]}]}`],
      ['of a missing value', `{"inputs":[{${head},"data":[1,null,3]}]}`],
      ['of integers', `{"inputs":[{"name":"x","datatype":"INT32","shape":[3],"data":[1,2,3]}]}`],
      ['of two inputs', `{"inputs":[{${head},"data":[1,2,3]},{"name":"y","datatype":"FP32","shape":[1],"data":[1]}]}`],
      ['written twice', `{"inputs":[{${head},"data":[9,9,9],"data":[1,2,3]}]}`],
      ['whose name is written by escapes', `{"data":[9,9,9],"inputs":[{${head},"d\\u0061ta":[1,2,3]}]}`],
      ['beside the word', `{"id":"data","inputs":[{${head},"data":[1,2,3]}]}`],
      ['in a request that is mostly of other things', `{"inputs":[{${head},"data":[1,2,3]}],"other":"${'x'.repeat(2000)}"}`],
      ['with more blanks than numbers', `{"inputs":[{${head},"data":[1,2,3${' '.repeat(100)}]}]}`],
    ])('%s is not', (_, request) => {
      const [input] = parseInferRequest(Buffer.from(request), undefined).inputs;
      expect(input?.sent).toBeUndefined();
      expect(input?.data).toHaveLength(3);
    });

    test('says the same as the tensor, whatever numbers are sent and however', () => {
      const blank = fc.stringMatching(/^[ \n\t]{0,2}$/);
      const item = fc.tuple(blank, fc.double({ noNaN: true, noDefaultInfinity: true }), blank);
      fc.assert(
        fc.property(fc.array(item, { minLength: 1 }), fc.tuple(blank, blank), (items, [before, after]) => {
          const data = `[${items.map(([left, value, right]) => `${left}${JSON.stringify(value)}${right}`).join(',')}]`;
          const request = `{"inputs":[{"name":"x","datatype":"FP64","shape":[${items.length}],"data"${before}:${after}${data}}]}`;
          const [input] = parseInferRequest(Buffer.from(request), undefined).inputs;
          expect(
            input?.sent === undefined || JSON.stringify(JSON.parse(input.sent)) === JSON.stringify([...(input.data as Float64Array)]),
          ).toBe(true);
        }),
      );
    });
  });

  test.each([
    [
      'input',
      { shared_memory_region: 'r', shared_memory_byte_size: 4 },
      'input "x": parameter "shared_memory_region": shared memory is not offered',
    ],
    ['output', { shared_memory_region: 'r' }, 'output "y": parameter "shared_memory_region": shared memory is not offered'],
    ['output', { classification: 2 }, 'output "y": parameter "classification": classification is not offered'],
    ['output', { binary_data: 'yes' }, 'parameter "binary_data" of output "y" is "yes"; it must be true or false'],
    ['request', { binary_data_output: 1 }, 'parameter "binary_data_output" of request is 1; it must be true or false'],
  ])('%s: %j would be answered otherwise than the caller reads it, and is refused', (where, parameters, message) => {
    const of = (owner: string): object => (where === owner ? { parameters } : {});
    const inputs = [{ name: 'x', datatype: 'FP32', shape: [1], data: [1], ...of('input') }];
    const body = { inputs, outputs: [{ name: 'y', ...of('output') }], ...of('request') };
    expect(() => parseInferRequest(Buffer.from(JSON.stringify(body)), undefined)).toThrow(message);
  });

  test('null says no more than nothing does, and a model may take no tensor', () => {
    expect(parse({ id: null, parameters: null, inputs: [input({ parameters: null })], outputs: null })).toMatchObject({
      id: undefined,
      outputs: undefined,
    });
    expect(parse({ inputs: [] }).inputs).toEqual([]);
  });

  test.each<[string, number[], unknown[]]>([
    [
      'from the second axis on',
      [2, 2, 2],
      [
        [1, 2, 3, 4],
        [5, 6, 7, 8],
      ],
    ],
    [
      'nowhere',
      [2, 2, 2],
      [
        [
          [1, 2],
          [3, 4],
        ],
        [
          [5, 6],
          [7, 8],
        ],
      ],
    ],
    ['of no columns', [2, 0], [[], []]],
    ['of no rows', [0, 2], []],
  ])('data may be flat %s', (_name, shape, data) => {
    expect(parse({ inputs: [input({ shape, data })] }).inputs[0]?.data).toEqual(Float32Array.from(data.flat(Infinity) as number[]));
  });

  test.each<[string, () => unknown, RegExp]>([
    ['no JSON', () => parseInferRequest(Buffer.from('hello'), undefined), /not JSON/],
    [
      'JSON that is not UTF-8',
      () => parseInferRequest(Buffer.from([...Buffer.from('{"id":"'), 0xff, ...Buffer.from('"}')]), undefined),
      /not UTF-8/,
    ],
    [
      'a boolean that is neither',
      () => parse({ inputs: [{ name: 'x', datatype: 'BOOL', shape: [2], parameters: { binary_data_size: 2 } }] }, Buffer.from([1, 2])),
      /element 1 is the byte 2; BOOL is 0 or 1/,
    ],
    ['no inputs', () => parse({}), /inputs must be a list of tensors/],
    ['too few elements', () => parse({ inputs: [input({ data: [1] })] }), /needs 2 elements and has 1/],
    ['too many elements', () => parse({ inputs: [input({ data: [1, 2, 3] })] }), /has more/],
    ['an unknown datatype', () => parse({ inputs: [input({ datatype: 'FP8' })] }), /datatype "FP8" is not one of the protocol/],
    ['a datatype that is no text', () => parse({ inputs: [input({ datatype: [[]] })] }), /a datatype that is not a text/],
    ['too many dimensions', () => parse({ inputs: [input({ shape: Array.from({ length: 33 }, () => 1) })] }), /33 dimensions; at most 32/],
    [
      'rows of other lengths than the shape',
      () => parse({ inputs: [input({ shape: [2, 2], data: [[1, 2, 3], [4]] })] }),
      /at depth 2 has 3 items, and shape \[2,2\] takes 2 there/,
    ],
    [
      'columns for rows',
      () =>
        parse({
          inputs: [
            input({
              shape: [2, 3],
              data: [
                [1, 2],
                [3, 4],
                [5, 6],
              ],
            }),
          ],
        }),
      /a list of lists has 3 items, and shape \[2,3\] takes 2 there/,
    ],
    [
      'lists beside values',
      () => parse({ inputs: [input({ shape: [2, 2], data: [[1, 2], 3, 4] })] }),
      /has 3 items|mixes lists and values/,
    ],
    ['data nested beyond its shape', () => parse({ inputs: [input({ data: [[[1, 2]]] })] }), /nested deeper than shape \[1,2\]/],
    ['JSON nested beyond sense', () => parseInferRequest(Buffer.from('['.repeat(1e6)), undefined), /deeper than 64 levels/],
    ['NaN', () => parseInferRequest(Buffer.from('{"inputs":[{"data":[NaN]}]}'), undefined), /JSON has no NaN and no Infinity: send null/],
    ['a negative size', () => parse({ inputs: [input({ shape: [-1, 2] })] }), /sizes of 0 or more/],
    ['a shape beyond all memory', () => parse({ inputs: [input({ shape: [1e9, 1e9] })] }), /more than .* elements/],
    ['a shape beyond its data', () => parse({ inputs: [input({ shape: [1e6] })] }), /shorter than shape/],
    ['an output asked for twice', () => parse({ inputs: [input()], outputs: [{ name: 'p' }, { name: 'p' }] }), /twice/],
    ['a length beyond the body', () => parseInferRequest(Buffer.from('{}'), 9), /is 9; the body has 2 bytes/],
    [
      'binary data that is short',
      () => parse({ inputs: [input({ data: undefined, parameters: { binary_data_size: 8 } })] }, Buffer.alloc(4)),
      /does not fit/,
    ],
    ['binary data of no one', () => parse({ inputs: [input()] }, Buffer.alloc(4)), /belong to no input/],
    [
      'binary data of another size',
      () => parse({ inputs: [input({ data: undefined, parameters: { binary_data_size: 4 } })] }, Buffer.alloc(4)),
      /needs 8 bytes/,
    ],
    [
      'strings that are not UTF-8',
      () =>
        parse(
          { inputs: [{ name: 'x', datatype: 'BYTES', shape: [1], parameters: { binary_data_size: 5 } }] },
          Buffer.from([1, 0, 0, 0, 0xff]),
        ),
      /element 0 is not UTF-8/,
    ],
  ])('%s is refused', (_name, act, message) => {
    expect(act).toThrow(message);
    expect(act).toThrow(expect.objectContaining({ code: 'MR_INFERENCE_INVALID' }));
  });
});

describe('responses', () => {
  const outputs: Tensor[] = [
    { name: 'p', datatype: 'FP32', shape: [1, 1], data: Float32Array.of(0.5) },
    { name: 'label', datatype: 'INT64', shape: [1], data: BigInt64Array.of(9007199254740993n) },
  ];
  const response = { modelName: 'm', modelVersion: '3', id: '1', parameters: {}, outputs };

  test('as JSON', () => {
    const { body, jsonLength } = encodeInferResponse(response, () => false);
    expect(jsonLength).toBeUndefined();
    expect(body).toContain('"data":[9007199254740993]');
    expect(JSON.parse(body as string)).toMatchObject({
      model_name: 'm',
      model_version: '3',
      id: '1',
      outputs: [{ name: 'p', data: [0.5] }, {}],
    });
  });

  test('with one output in binary', () => {
    const { body, jsonLength, contentType } = encodeInferResponse(response, (name) => name === 'p');
    expect(contentType).toBe('application/octet-stream');
    const json = JSON.parse((body as Buffer).subarray(0, jsonLength).toString()) as { outputs: object[] };
    expect(json.outputs[0]).toEqual({ name: 'p', datatype: 'FP32', shape: [1, 1], parameters: { binary_data_size: 4 } });
    expect((body as Buffer).subarray(jsonLength)).toEqual(Buffer.from(Float32Array.of(0.5).buffer));
  });
});
