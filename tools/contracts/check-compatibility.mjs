// Holds schemas/ to what the last release promised (schemas/released/): whatever a released schema accepted, the schema of the same version
// accepts; no released version or sample is gone. What is not released may change.
//   node tools/contracts/check-compatibility.mjs [schemas folder]
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { narrowings } from './compatibility.mjs';
import { readEvents, readKinds, schemasRoot } from './schemas.mjs';

const base = process.argv[2] ?? schemasRoot;
const released = join(base, 'released');
const problems = [...eventProblems(readEvents(released), readEvents(base)), ...kindProblems(readKinds(released), readKinds(base))];
if (problems.length > 0) {
  console.error(`incompatible with the last release:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
  console.error('Readers replay all history. Widen the schema, or add a new version and an upcaster (schemas/README.md).');
  process.exit(1);
}

function eventProblems(before, now) {
  const found = [];
  for (const old of before) {
    const current = now.find((event) => event.key === old.key);
    if (!current) {
      found.push(`${old.key} was released and is gone`);
      continue;
    }
    found.push(...narrowings(old.schema, current.schema).map((narrowing) => `${old.key} ${narrowing}`));
    const lost = (old.golden ?? []).filter((sample) => !(current.golden ?? []).some((other) => isDeepStrictEqual(sample, other)));
    if (lost.length > 0) found.push(`${old.key}: ${lost.length} released samples are gone or changed`);
  }
  return found;
}

/** A spec applied once is in the log for ever, so a kind has no versions: it may only widen. */
function kindProblems(before, now) {
  return before.flatMap(({ kind, schema }) => {
    const current = now.find((other) => other.kind === kind);
    return current
      ? narrowings(schema, current.schema).map((narrowing) => `${kind} ${narrowing}`)
      : [`kind ${kind} was released and is gone`];
  });
}
