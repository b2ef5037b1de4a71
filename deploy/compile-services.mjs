// Reads the code of all services once and starts none, so that Node keeps it compiled where NODE_COMPILE_CACHE says.
const adapters = [
  'artifact-store-filesystem',
  'artifact-store-s3',
  'event-log-kafka',
  'event-log-lmdb',
  'online-store-lmdb',
  'online-store-redis',
];
const services = ['tracking', 'registry', 'features', 'inference', 'experimentation', 'platform'];
for (const name of [...services, ...adapters]) await import(`@millrace/${name}`);
process.exit(0);
