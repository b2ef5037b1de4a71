import type { Config } from '@millrace/service';
import { Fault } from '@millrace/kernel';
import { SERVICES, type ServiceName } from './routes.js';

/** Where the configuration says the replicas of each service are; all five services have to be named. */
export function upstreamsOf(config: Config): Readonly<Record<ServiceName, readonly string[]>> {
  const given: Readonly<Record<ServiceName, readonly string[] | undefined>> = {
    tracking: config.trackingUrl,
    registry: config.registryUrl,
    features: config.featuresUrl,
    inference: config.inferenceUrl,
    experimentation: config.experimentationUrl,
  };
  const missing = SERVICES.filter((service) => given[service] === undefined).map((service) => `MILLRACE_${service.toUpperCase()}_URL`);
  if (missing.length > 0)
    throw new Fault('MR_CONFIG', `the router has to know where the services are; not set: ${missing.join(', ')}`, false);
  return given as Record<ServiceName, readonly string[]>;
}
