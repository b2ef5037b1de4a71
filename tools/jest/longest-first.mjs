import Sequencer from '@jest/test-sequencer';
import { relative } from 'node:path';

/**
 * Seconds that the longest suites take beside others on two cores. Jest knows how long a suite took only where it has run before; in a fresh clone it goes by
 * the size of the file, and a long one that is begun last runs alone at the end. Read nowhere else: a figure that is off costs some time, no more.
 */
const SECONDS = {
  'examples/flights/src/main-job.e2e.spec.ts': 290,
  'services/platform/src/poison.e2e.spec.ts': 200,
  'conformance/mlflow/mlflow-replicas.e2e.spec.ts': 185,
  'conformance/mlflow/mlflow-import.e2e.spec.ts': 130,
  'conformance/mlflow/mlflow-3.e2e.spec.ts': 75,
  'services/inference/src/streams-replicas.int.spec.ts': 90,
  'services/inference/src/streams-kill.int.spec.ts': 55,
  'services/features/src/materialization-restart.int.spec.ts': 50,
  'services/inference/src/batch-jobs-kill.int.spec.ts': 50,
  'conformance/oip/robustness.e2e.spec.ts': 50,
  'conformance/mlflow/reproduce.e2e.spec.ts': 50,
  'services/features/src/materialization-replicas.int.spec.ts': 40,
  'conformance/mlflow/scoring.e2e.spec.ts': 40,
  'examples/flights/src/documentation.e2e.spec.ts': 35,
  'services/inference/src/prediction-log.int.spec.ts': 35,
  'conformance/registry/model-signing.e2e.spec.ts': 35,
  'services/inference/src/engine.int.spec.ts': 35,
  'conformance/registry/governance-story.e2e.spec.ts': 30,
  'conformance/oip/oip-clients.e2e.spec.ts': 30,
  'libs/feature-engine/src/online-offline.spec.ts': 25,
  'tools/contracts/generated-files.spec.ts': 15,
};

/** Jest's order (what failed the last time first, then the longest), with a guess at what it does not know. */
export default class LongestFirst extends Sequencer {
  sort(tests) {
    const length = ({ path, duration, context }) => duration ?? (SECONDS[relative(context.config.rootDir, path)] ?? 0) * 1000;
    const failed = (test) => Number(this.hasFailed(test));
    return super.sort(tests).sort((a, b) => failed(b) - failed(a) || length(b) - length(a));
  }
}
