import { expect, test } from '@jest/globals';
import { checkInputs } from './check-inputs.js';

const spec = { name: 'x', datatype: 'BYTES' as const, shape: [-1] };

test('a text with a NUL in it is refused: the runtime would take it as far as that', () => {
  expect(() => checkInputs([spec], [{ ...spec, shape: [2], data: ['whole', 'a\0b'] }])).toThrow(
    'input "x": element 1 has a NUL in it, and the runtime takes no such text',
  );
  expect(checkInputs([spec], [{ ...spec, shape: [2], data: ['', 'whole'] }])).toHaveLength(1);
});
