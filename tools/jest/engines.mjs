// Jest's globalSetup of `int` and `e2e`: the engines of this run, started once, addresses in the environment of the workers.
// MILLRACE_TEST_ENGINES=kafka,redis,s3 narrows; an engine whose MILLRACE_TEST_* address is given is used and left running.
import * as testing from '../testing.mjs';

export default async function startEngines() {
  const engines = await testing.startEngines(testing.enginesAsked(process.env.MILLRACE_TEST_ENGINES), process.env);
  Object.assign(process.env, engines.env);
  globalThis.millraceTestEngines = engines;
}
