// Part of a release: freezes schemas/ as the promise the next changes are held to.
//   node tools/contracts/release.mjs <version>
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { problemsOf, readEvents, readKinds, schemasRoot } from './schemas.mjs';

const version = process.argv[2];
const base = process.argv[3] ?? schemasRoot;
if (!/^\d+\.\d+\.\d+$/.test(version ?? '')) {
  console.error('usage: node tools/contracts/release.mjs <major.minor.patch>');
  process.exit(2);
}
const events = readEvents(base);
const problems = problemsOf(events);
if (problems.length > 0) {
  console.error(problems.join('\n'));
  process.exit(1);
}
const check = spawnSync(process.execPath, [join(import.meta.dirname, 'check-compatibility.mjs'), base], { stdio: 'inherit' });
if (check.status !== 0) process.exit(1);

const released = join(base, 'released');
rmSync(released, { recursive: true, force: true });
const copy = (path) => {
  mkdirSync(dirname(join(released, path)), { recursive: true });
  cpSync(join(base, path), join(released, path));
};
for (const { path } of events) {
  copy(path);
  copy(path.replace(/\.json$/, '.golden.jsonl'));
}
for (const { path } of readKinds(base)) copy(path);
writeFileSync(join(released, 'manifest.json'), `${JSON.stringify({ release: version }, null, 2)}\n`);
console.log(`schemas of ${version}: ${events.length} event versions, ${readKinds(base).length} kinds`);
