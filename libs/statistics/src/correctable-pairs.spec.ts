import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { CorrectablePairs } from './correctable-pairs.js';
import { NO_PAIRS, withArmValue } from './paired-arms.js';

const value = fc.double({ min: 0, max: 1, noNaN: true });
const added = fc.record({ isControl: fc.boolean(), first: value, last: value });

test('corrected values make the sums that they would have made in the first place', () => {
  fc.assert(
    fc.property(fc.array(added, { maxLength: 300 }), (all) => {
      const pairs = new CorrectablePairs();
      const arms = all.map(({ isControl }) => (isControl ? 'control' : 'treatment'));
      const values = all.map(({ first }, index) => pairs.add(arms[index] as 'control', first));
      for (const [index, own] of values.entries()) pairs.correct(own, (all[index] as { last: number }).last);
      const inOrder = all.reduce((sums, { last }, index) => withArmValue(sums, arms[index] as 'control', last), NO_PAIRS);
      expect(pairs.differences).toEqual(inOrder.differences);
      expect([pairs.control, pairs.treatment]).toEqual([inOrder.control, inOrder.treatment]);
    }),
  );
});
