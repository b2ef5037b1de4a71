import type { Command } from 'commander';

/** One line for each command, as somebody would type it; `millrace <command> --help` and the reference end with it. */
const EXAMPLES: Readonly<Record<string, string>> = {
  apply: 'millrace apply -f definitions/ -f policy.yaml',
  diff: 'millrace diff -f definitions/',
  get: 'millrace get FeatureView origin_delays --version 1 -o yaml',
  describe: 'millrace describe Deployment delay',
  delete: 'millrace delete Rollout delay-v2',
  'events topics': 'millrace events topics',
  'events tail': "millrace events tail millrace.registry.decisions --from beginning --filter 'subject=model/*'",
  'events dead-letters': 'millrace events dead-letters payments',
  'keys create': 'millrace keys create trainer --role editor --actor ana --expires 90d',
  'keys list': 'millrace keys list',
  'keys revoke': 'millrace keys revoke trainer --reason "left in a notebook"',
  'import mlflow': 'millrace import mlflow --from http://mlflow.example.org:5000 --experiment flights',
  gc: 'millrace gc --older-than 30d --dry-run',
  'models request': 'millrace models request delay 4 --alias champion --reason "trained on May"',
  'models requests': 'millrace models requests delay --status open',
  'models approve': 'millrace models approve delay 2 --comment "looks right"',
  'models reject': 'millrace models reject delay 2 --reason "trained on too few rows"',
  'models withdraw': 'millrace models withdraw delay 2 --reason "a better one comes"',
  'models promote': 'millrace models promote delay 2',
  'models rollback': 'millrace models rollback delay --alias champion --reason "complaints"',
  'models check': 'millrace models check delay 4 --golden golden.jsonl --tolerance 0.001',
  'models history': 'millrace models history delay',
  'models card': 'millrace models card delay 4',
  'models verify': 'millrace models verify delay 4 --key signing.pub',
  'models optimize': 'millrace models optimize towns@champion --dynamic-int8 --min-agreement 0.995',
  'models rows': 'millrace models rows towns --most 5000 --to rows.jsonl',
  'models export': 'millrace models export towns@champion --target web --to towns-web',
  audit: 'millrace audit --model delay --since 2026-01-01T00:00:00Z',
  'features verify': 'millrace features verify --deployment delay --since 2026-01-01T00:00:00Z',
  'features statistics': 'millrace features statistics origin_delays:delay_mean_6h --since 2026-01-01T00:00:00Z --every 6h',
  'features materialize': 'millrace features materialize driver_days --from 2026-01-01T00:00:00Z --wait',
  'features materializations': 'millrace features materializations driver_days',
  'features cancel': 'millrace features cancel driver_days 2c8ecbc9b309b585231ec9c1a1eba955',
  'rollout list': 'millrace rollout list',
  'rollout get': 'millrace rollout get delay-v2',
  'rollout explain': 'millrace rollout explain delay-v2',
  'rollout promote': 'millrace rollout promote delay-v2 --reason "all gates passed"',
  'rollout pause': 'millrace rollout pause delay-v2 --reason "holiday"',
  'rollout resume': 'millrace rollout resume delay-v2',
  'rollout abort': 'millrace rollout abort delay-v2 --reason "complaints"',
  'batch run': 'millrace batch run --model models:/delay@champion --file rides.parquet --to scored.parquet',
  'batch list': 'millrace batch list --status failed --limit 10',
  'batch get': 'millrace batch get 5f0c2a7be1d84c39 --to scored.parquet',
  'batch cancel': 'millrace batch cancel 5f0c2a7be1d84c39',
  'batch delete-output': 'millrace batch delete-output 5f0c2a7be1d84c39',
  'stream list': 'millrace stream list',
  'stream get': 'millrace stream get departures_due',
  'artifacts upload': 'millrace artifacts upload 4f1c2d3e5a6b7c8d9e0f1a2b3c4d5e6f plots/ --to report',
  'artifacts download': 'millrace artifacts download 4f1c2d3e5a6b7c8d9e0f1a2b3c4d5e6f report --to here',
  'runs reproduce': 'millrace runs reproduce 4f1c2d3e5a6b7c8d9e0f1a2b3c4d5e6f --run --tolerance 0.01',
  'runs verify': 'millrace runs verify 4f1c2d3e5a6b7c8d9e0f1a2b3c4d5e6f',
  status: 'millrace --server http://mill.example.org:8080 status',
  help: 'millrace help models request',
};

/** The example of a command, by its words without `millrace`: `models request`. */
export function exampleOf(path: string): string | undefined {
  return EXAMPLES[path];
}

/** Ends the help of every command with its example. */
export function addExamples(command: Command, path: readonly string[] = []): void {
  const example = exampleOf(path.join(' '));
  if (example !== undefined) command.addHelpText('after', `\nExample:\n  ${example}`);
  for (const one of command.commands) addExamples(one, [...path, one.name()]);
}
