import { expect, test } from '@jest/globals';
import { artifactOwners } from './artifact-uri.js';

test.each<[string | null, string[]]>([
  ['1/abc/artifacts/model', ['abc']],
  ['1/abc/artifacts', ['abc']],
  ['abc/artifacts', ['abc']],
  ['1/models/m-0a/artifacts', ['m-0a']],
  ['team/artifacts/exp/abc/artifacts/model', ['team', 'abc']],
  ['1/abc/artifacts/model/artifacts', ['abc', 'model']],
  ['1/abc/artifactsX/model', []],
  ['1/a b/artifacts', []],
  [`1/${'x'.repeat(257)}/artifacts`, []],
  ['artifacts/model', []],
  [null, []],
])('of %j may be %j', (path, owners) => {
  expect(artifactOwners(path)).toEqual(owners);
});
