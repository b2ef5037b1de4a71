import { describe, expect, test } from '@jest/globals';
import { experimentationConfig, ExperimentationModule } from '@millrace/experimentation';
import { featuresConfig, FeaturesModule } from '@millrace/features';
import { inferenceConfig, InferenceModule } from '@millrace/inference';
import { registryConfig, RegistryModule } from '@millrace/registry';
import { bootstrap, loadConfig } from '@millrace/service';
import { tempDir } from '@millrace/testing';
import { trackingConfig, TrackingModule } from '@millrace/tracking';
import { serviceOf, type ServiceName } from './routes.js';

/** What every process answers for itself. */
const OWN = /^\/(healthz|readyz|metrics|api\/v1\/(apply|status|openapi\.json|(resources|events|access).*))$/;

describe('every route a service has is one the router sends to it', () => {
  test.each([
    ['tracking', TrackingModule, trackingConfig],
    ['registry', RegistryModule, registryConfig],
    ['features', FeaturesModule, featuresConfig],
    ['inference', InferenceModule, inferenceConfig],
    ['experimentation', ExperimentationModule, experimentationConfig],
  ] as const)(
    '%s',
    async (name: ServiceName, module, group) => {
      await using temp = await tempDir(`routes-${name}`);
      const config = loadConfig([group], {
        MILLRACE_DATA_DIR: temp.path,
        MILLRACE_PORT: '0',
        MILLRACE_GRPC_PORT: '0',
        MILLRACE_LOG_LEVEL: 'error',
      });
      const service = await bootstrap(module, config);
      await service.close();
      const routes = service.routes.filter(({ path, method }) => !OWN.test(path) && method !== 'OPTIONS');
      const strays = routes.filter(({ path }) => serviceOf(path.replace(/:[^/]+/g, 'x').replace(/\*$/, 'x')) !== name);
      expect(strays.map(({ method, path }) => `${method} ${path}`)).toEqual([]);
    },
    60_000,
  );
});
