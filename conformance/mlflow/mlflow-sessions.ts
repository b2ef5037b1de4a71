import { ensureVenv, runCommand, type Venv } from '@millrace/testing';
import { join } from 'node:path';

/**
 * The clients that have to work unchanged: the one whose API this is, and a current one, each with frameworks of its own time. MLflow 2.9.2 names no
 * upper bound for SQLAlchemy, and its server does not start with the newest.
 */
const CLIENTS = {
  '2.9.2': ['mlflow==2.9.2', 'sqlalchemy==2.0.58', 'setuptools==75.8.0', 'numpy==1.26.4', 'pandas==2.3.3'],
  '3.17.2': ['mlflow==3.17.2', 'setuptools==75.8.0', 'numpy==2.4.6', 'pandas==3.1.1'],
} as const;

const FRAMEWORKS = [
  'scikit-learn==1.9.1',
  'lightgbm==4.7.0',
  'xgboost-cpu==3.2.0',
  'skl2onnx==1.20.0',
  'onnxmltools==1.16.0',
  'onnxruntime==1.32.0',
  'psutil==7.2.2',
  'matplotlib==3.11.2',
];

export type ClientVersion = keyof typeof CLIENTS;
export const CLIENT_VERSIONS = Object.keys(CLIENTS) as ClientVersion[];

/** MLflow whole, client and server, with its frameworks: one environment of a version for all who need it, as Python compiles what it imports in each anew. */
export function mlflowVenv(version: ClientVersion): Promise<Venv> {
  return ensureVenv(`mlflow-frameworks-${version}`, [...CLIENTS[version], ...FRAMEWORKS]);
}

/** Plays a session of this folder with the real client against a platform. Throws with the session's output when a check of it fails. */
export async function playSession(version: ClientVersion, script: string, url: string): Promise<void> {
  const venv = await mlflowVenv(version);
  const output = await runCommand(venv.python, [join(import.meta.dirname, script), url]);
  if (!output.includes(`"client": "${version}"`)) throw new Error(`${script} did not say that its client was ${version}:\n${output}`);
}
