import { expect, test } from '@jest/globals';
import { filterOfModel } from './mlflow-server.js';

test('a model is found by its name, whatever quotes are in it', () => {
  expect(filterOfModel('delay')).toBe("name='delay'");
  expect(filterOfModel('a "b"')).toBe(`name='a "b"'`);
  expect(filterOfModel("it's")).toBe(`name="it's"`);
  expect(filterOfModel(`it's "b"`)).toBe(`name LIKE "it's _b_"`);
});
