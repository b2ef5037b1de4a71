// `npm test`: everything, in the order in which a failure is cheapest to learn. Prints `N passed, N failed` as its last line.
//   node tools/test.mjs [step ...]     only the named steps: check, spec, int, e2e, chaos
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { install, root, run, toolEnvironment } from './setup.mjs';

/** More suites than these are broken, not unlucky: they are not asked twice. */
const AGAIN = 2;
/** Suites at a time, on the two cores this is made for. A third one gains little where they meet engines, and makes them unsteady. */
const BESIDE = 2;
const STEPS = ['check', 'spec', 'int', 'e2e', 'chaos'];
const asked = process.argv.slice(2);
const unknown = asked.filter((step) => !STEPS.includes(step));
if (unknown.length > 0) {
  console.error(`unknown step ${unknown.join(', ')}; steps are ${STEPS.join(', ')}`);
  process.exit(2);
}
const wanted = (step) => asked.length === 0 || asked.includes(step);

let passed = 0;
let failed = 0;
const failures = [];
const skips = [];
const races = [];
const scratch = mkdtempSync(join(tmpdir(), 'millrace-test-'));

/** One check: it must not fail. */
async function check(name, work) {
  const started = Date.now();
  try {
    await work();
    passed++;
    console.log(`ok   ${name} (${Math.round((Date.now() - started) / 1000)} s)`);
  } catch (error) {
    failed++;
    failures.push(`${name}: ${error.message}`);
    console.log(`FAIL ${name}: ${error.message}`);
  }
}

/** A check beside others: what it writes is kept until it has ended, and stands above its line. */
async function checkBeside(name, command, args, options = {}) {
  const output = [];
  await check(name, async () => {
    try {
      await run(command, args, { ...options, onOutput: (chunk) => output.push(chunk) });
    } finally {
      process.stdout.write(Buffer.concat(output));
    }
  });
}

/** Checks beside each other, two at a time, begun in this order. */
async function checksBeside(checks) {
  const left = [...checks];
  const lane = async () => {
    for (let next = left.shift(); next; next = left.shift()) await checkBeside(...next);
  };
  await Promise.all([lane(), lane()]);
}

/** Runs one kind of jest test, or the named suites of it; answers with jest's own report, if it wrote one. */
async function jestReport(kind, env, workers, suites = []) {
  const report = join(scratch, `${kind}${suites.length > 0 ? '-again' : ''}.json`);
  const args = ['--experimental-vm-modules', '--no-warnings', 'node_modules/jest/bin/jest.js', '--selectProjects', kind];
  args.push(`--maxWorkers=${workers}`, '--json', `--outputFile=${report}`, '--forceExit');
  if (suites.length > 0) args.push('--runTestsByPath', ...suites);
  try {
    await run('node', args, { env });
  } catch (error) {
    console.log(`jest ${kind}: ${error.message}`);
  }
  try {
    return JSON.parse(readFileSync(report, 'utf8'));
  } catch {
    return undefined;
  }
}

/**
 * One kind of jest test; its own counts go into the total. Where `again` allows it, the suites that failed run once more with
 * nothing beside them; what passes then is counted as passed and named at the end of the run. See ADR 0040.
 */
async function jest(kind, env, { again = 0 } = {}) {
  const first = await jestReport(kind, env, BESIDE);
  if (first === undefined) {
    failed++;
    failures.push(`${kind}: jest wrote no report`);
    return;
  }
  const broken = first.testResults.filter((suite) => suite.status === 'failed').map((suite) => suite.name);
  const second = broken.length > 0 && broken.length <= again ? await jestReport(kind, env, 1, broken) : undefined;
  const mended = new Map(second?.testResults.filter((suite) => suite.status === 'passed').map((suite) => [suite.name, suite]));
  for (const original of first.testResults) {
    const suite = mended.get(original.name) ?? original;
    const name = suite.name.replace(`${root}/`, '');
    const failedTests = original.assertionResults.filter((test) => test.status === 'failed').map((test) => `${name}: ${test.fullName}`);
    // A suite that could not even be loaded has no failed test in it, but it failed.
    if (original.status === 'failed' && failedTests.length === 0)
      failedTests.push(`${name}: ${original.message.split('\n').slice(0, 8).join('\n')}`);
    if (suite !== original) races.push(...failedTests);
    else {
      failed += failedTests.length;
      failures.push(...failedTests);
    }
    for (const test of suite.assertionResults) {
      if (test.status === 'passed') passed++;
      if (test.status === 'pending' || test.status === 'todo') skips.push(`${name}: ${test.fullName}`);
    }
  }
}

await install();
const environment = toolEnvironment({ CI: process.env.CI ?? 'true', FORCE_COLOR: '0' });
await check('generate contracts and build', () => run('node', [join(root, 'tools', 'build-all.mjs')]));

const needsEngines = wanted('int') || wanted('e2e') || wanted('chaos');
const enginesFile = join(scratch, 'engines.json');
const enginesTool = join(root, 'tools', 'engines.mjs');
// What they wait for (downloads, their start) passes while the checks and the pure tests run.
const enginesStart = needsEngines
  ? checkBeside(
      'engines start (Kafka, Redis, S3)',
      'node',
      [enginesTool, 'start', '--write-env', enginesFile, '--for-pid', String(process.pid)],
      // Their keeper stays, and what it has to say later is said at once.
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
  : undefined;
try {
  if (wanted('check'))
    await checksBeside([
      // By far the longest: the others are done beside it.
      ['lint and boundaries (eslint)', 'eslint', ['.', '--max-warnings=0', '--cache', '--cache-location', 'node_modules/.cache/eslint/']],
      // npm drops the packages of other platforms from a lock file that it writes beside an installed tree, and then refuses the file itself.
      [
        'lock file (npm ci --dry-run)',
        'npm',
        ['ci', '--dry-run', '--ignore-scripts', '--loglevel=error'],
        { env: process.env, stdio: ['ignore', 'ignore', 'pipe'] },
      ],
      ['types (tsc)', 'tsc', ['-p', 'tsconfig.json', '--noEmit']],
      ['types of what runs in browsers (tsc)', 'tsc', ['-p', 'libs/edge/src/web', '--noEmit']],
      ['dead code (knip)', 'knip', ['--no-progress']],
      ['format (prettier)', 'prettier', ['--check', '--log-level=warn', '.']],
    ]);
  if (wanted('spec')) await jest('spec', environment);
  if (needsEngines) {
    await enginesStart;
    const engines = JSON.parse(readFileSync(enginesFile, 'utf8'));
    const withEngines = { ...environment, ...engines.env };
    if (wanted('int')) await jest('int', withEngines, { again: AGAIN });
    if (wanted('e2e')) await jest('e2e', withEngines, { again: AGAIN });
    if (wanted('chaos')) {
      // Of either topology as much as of the other. After a kill one waits for a process to start, the other for the broker to miss a member.
      const chaos = (kind, other) => [
        `chaos, a tenth of it, ${kind}`,
        'node',
        ['chaos/dist/main.js', '--share', '0.1', '--flights', '60000', '--topology', kind, `--${other}`, '0'],
        { env: withEngines },
      ];
      await checksBeside([chaos('distributed', 'embedded'), chaos('embedded', 'distributed')]);
    }
  }
} catch (error) {
  failed++;
  failures.push(`the run itself: ${error.stack}`);
} finally {
  await enginesStart;
  if (needsEngines) await run('node', [enginesTool, 'stop', '--env', enginesFile]).catch((error) => console.log(error.message));
  rmSync(scratch, { recursive: true, force: true });
}

if (skips.length > 0) console.log(`\nSkipped (each is a promise not kept):\n${skips.map((skip) => `  ${skip}`).join('\n')}`);
if (races.length > 0)
  console.log(`\nFailed beside others, passed alone (each is a race to mend):\n${races.map((race) => `  ${race}`).join('\n')}`);
if (failures.length > 0) console.log(`\nFailed:\n${failures.map((failure) => `  ${failure}`).join('\n')}`);
console.log(`\n${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
