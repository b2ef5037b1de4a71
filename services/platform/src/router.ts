import {
  accessSettings,
  checkPathPrefix,
  createLogger,
  crashOnDefects,
  loadConfig,
  Metrics,
  runOrExplain,
  stopOnSignals,
  tellParent,
} from '@millrace/service';
import { Router } from './router/router.js';
import { ownPaths } from './router/routes.js';
import { upstreamsOf } from './router/upstreams.js';

// The router's process: `node services/platform/dist/router.js` with MILLRACE_PORT and MILLRACE_<SERVICE>_URL.
await runOrExplain(async () => {
  const config = loadConfig();
  const upstreams = upstreamsOf(config);
  checkPathPrefix(config.pathPrefix, ownPaths());
  const logger = createLogger({ level: config.logLevel, service: 'router' });
  const metrics = new Metrics('router');
  metrics.collectProcess();
  const router = new Router({ ...config, isAuthRequired: accessSettings(config).isRequired, upstreams, logger, metrics });
  await router.listen(config.port, config.host);
  logger.info({ url: router.url, upstreams }, 'listening');
  stopOnSignals({ logger, deadlineMs: config.drainMs + config.shutdownDeadlineMs, close: () => router.close() });
  crashOnDefects(logger);
  tellParent(router.url);
});
