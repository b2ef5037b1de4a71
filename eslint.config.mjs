import nx from '@nx/eslint-plugin';
import prettier from 'eslint-config-prettier';
import { importX } from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';

/** Who may import whom, by type. A row is the whole list; what is not named is an error. */
const TYPES = {
  'type:kernel': [],
  'type:port': ['type:kernel'],
  'type:lib': ['type:kernel', 'type:port', 'type:lib'],
  'type:adapter': ['type:kernel', 'type:port', 'type:adapter', 'type:testing'],
  'type:testing': ['type:kernel', 'type:port', 'type:adapter'],
  'type:kit': ['type:kernel', 'type:port', 'type:lib', 'type:adapter', 'type:testing'],
  'type:service': ['type:kernel', 'type:port', 'type:lib', 'type:adapter', 'type:kit', 'type:testing'],
  'type:platform': ['type:kernel', 'type:port', 'type:lib', 'type:adapter', 'type:kit', 'type:service', 'type:testing'],
  'type:cli': ['type:kernel', 'type:lib'],
  'type:tool': ['type:kernel', 'type:port', 'type:lib', 'type:adapter', 'type:kit', 'type:testing', 'type:tool'],
};

/** And by scope: a service sees itself and what is shared; services meet only in schemas/ and on the log. */
const DOMAINS = ['tracking', 'registry', 'features', 'inference', 'experimentation'];
const SCOPES = {
  'scope:shared': ['scope:shared'],
  ...Object.fromEntries(DOMAINS.map((domain) => [`scope:${domain}`, [`scope:${domain}`, 'scope:shared']])),
  'scope:platform': ['scope:platform', 'scope:shared', ...DOMAINS.map((domain) => `scope:${domain}`)],
  'scope:cli': ['scope:shared'],
  'scope:tool': ['scope:shared', 'scope:tool'],
};

const depConstraints = [...Object.entries(TYPES), ...Object.entries(SCOPES)].map(([sourceTag, onlyDependOnLibsWithTags]) => ({
  sourceTag,
  onlyDependOnLibsWithTags,
}));

for (const constraint of depConstraints) {
  if (constraint.sourceTag === 'type:kernel') constraint.bannedExternalImports = ['*'];
}

/** A room of a service: what its files may not reach for. `pattern` is matched against the import text. */
const room = (files, message, ...regexes) => ({
  files,
  ignores: ['**/*.spec.ts'],
  rules: { 'no-restricted-imports': ['error', { patterns: regexes.map((regex) => ({ regex, message })) }] },
});

const DETERMINISTIC = ['Date', 'Math.random', 'process', 'setTimeout', 'setInterval', 'setImmediate', 'performance', 'crypto'];

export default tseslint.config(
  { ignores: ['**/dist/', '**/node_modules/', '**/generated/', '.nx/', '.engines/', '.venvs/', '.millrace/', '**/fixtures/'] },
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: {
          allowDefaultProject: ['*.mjs', 'tools/*.mjs', 'tools/*/*.mjs'],
          maximumDefaultProjectFileMatchCount_THIS_WILL_SLOW_DOWN_LINTING: 40,
        },
      },
    },
    plugins: { '@nx': nx, 'import-x': importX },
    rules: {
      '@nx/enforce-module-boundaries': ['error', { enforceBuildableLibDependency: false, allow: [], depConstraints }],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports', disallowTypeAnnotations: false }],
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      'max-lines': ['error', 400],
      'no-console': 'error',
    },
  },
  { files: ['**/*.mjs'], extends: [tseslint.configs.disableTypeChecked], rules: { 'no-console': 'off' } },
  {
    files: ['cli/**', 'bench/**', 'chaos/**', 'tools/**', 'conformance/**', 'examples/**', 'services/platform/src/demo/**'],
    rules: { 'no-console': 'off' },
  },
  // Nest resolves constructor parameters from emitted metadata, which needs the classes as values.
  { files: ['services/**/src/**/*.ts', 'libs/service/src/**/*.ts'], rules: { '@typescript-eslint/consistent-type-imports': 'off' } },
  {
    files: ['**/src/**/*.ts'],
    ignores: [
      '**/config.ts',
      '**/main.ts',
      '**/*.spec.ts',
      'cli/**',
      'bench/**',
      'chaos/**',
      'conformance/**',
      'examples/**',
      'libs/testing/**',
      'libs/service/src/**',
    ],
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          selector: "MemberExpression[object.name='process'][property.name='env']",
          message: 'The environment is read once, in config.ts.',
        },
      ],
    },
  },
  {
    files: [
      'services/*/src/domain/**/*.ts',
      'services/*/src/projections/**/*.ts',
      'libs/kernel/src/**/*.ts',
      'libs/resources/src/domain/**/*.ts',
      'libs/service/src/access/domain/**/*.ts',
    ],
    ignores: ['**/*.spec.ts'],
    rules: {
      'no-restricted-globals': [
        'error',
        ...DETERMINISTIC.map((name) => ({ name, message: 'Time, ids and randomness come in with the command.' })),
      ],
      'no-restricted-properties': ['error', { object: 'Math', property: 'random', message: 'Randomness comes in with the command.' }],
    },
  },
  room(
    ['services/*/src/domain/**/*.ts', 'libs/resources/src/domain/**/*.ts', 'libs/service/src/access/domain/**/*.ts'],
    'domain/ may import the kernel and its own folder, nothing else.',
    '^(?!\\.|@millrace/kernel$)',
    '/(projections|queries|reactors|api)/',
  ),
  room(
    ['services/*/src/projections/**/*.ts', 'services/*/src/queries/**/*.ts', 'services/*/src/reactors/**/*.ts'],
    'projections, queries and reactors may import kernel, ports and their own domain; no protocol, no framework, no adapter.',
    '/api/',
    '^(fastify|kafkajs|redis|lmdb|chdb|@nestjs/platform-fastify|@clickhouse/.*)$',
    '^@millrace/.*-(kafka|lmdb|redis|s3|filesystem)$',
  ),
  room(
    ['services/*/src/api/**/*.ts'],
    'api/ maps the wire to commands and queries; it may not reach stores, projections or the log.',
    '/(projections|reactors)/',
    '^(kafkajs|redis|lmdb|chdb|@clickhouse/.*)$',
    '^@millrace/.*-(kafka|lmdb|redis|s3|filesystem)$',
  ),
  {
    files: ['**/*.spec.ts', '**/contract.ts', '**/contract/**'],
    rules: {
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
    },
  },
  {
    // The kernel itself imports nothing; its specs may use the test tools, and still nothing of the house.
    files: ['libs/kernel/src/**/*.spec.ts'],
    rules: {
      '@nx/enforce-module-boundaries': 'off',
      'no-restricted-imports': ['error', { patterns: [{ regex: '^(?!\\.|@jest/globals$|fast-check$|node:)' }] }],
    },
  },
  prettier,
);
