const swc = ['@swc/jest', { configFile: './tools/swc.json', swcrc: false }];

/** One project per kind of test: `.spec` is pure, `.int.spec` meets one real engine, `.e2e.spec` several services or someone else's client. */
const kind = (displayName, testRegex, extra = {}) => ({
  displayName,
  rootDir: import.meta.dirname,
  roots: [
    '<rootDir>/libs',
    '<rootDir>/services',
    '<rootDir>/cli',
    '<rootDir>/conformance',
    '<rootDir>/chaos',
    '<rootDir>/bench',
    '<rootDir>/examples',
    '<rootDir>/tools',
  ],
  testRegex,
  testEnvironment: '<rootDir>/tools/jest/environment.mjs',
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '\\.ts$': swc },
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  modulePathIgnorePatterns: ['/dist/'],
  ...extra,
});

export default {
  testSequencer: '<rootDir>/tools/jest/longest-first.mjs',
  // A bound on hangs, not a claim about speed: machines that run this are shared.
  testTimeout: 60_000,
  projects: [
    kind('spec', '(?<!\\.int|\\.e2e)\\.spec\\.ts$'),
    kind('int', '\\.int\\.spec\\.ts$', {
      globalSetup: '<rootDir>/tools/jest/engines.mjs',
      globalTeardown: '<rootDir>/tools/jest/engines-stop.mjs',
    }),
    kind('e2e', '\\.e2e\\.spec\\.ts$', {
      globalSetup: '<rootDir>/tools/jest/engines.mjs',
      globalTeardown: '<rootDir>/tools/jest/engines-stop.mjs',
    }),
  ],
};
