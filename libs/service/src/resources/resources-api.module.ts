import { checkSpec } from '@millrace/contracts';
import type { Clock, Ids } from '@millrace/kernel';
import { isKind } from '@millrace/resources';
import { Inject, Module, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { rawRoutes } from '../http/raw-routes.js';
import { sendProblem } from '../http/problem.filter.js';
import { Resources } from '../log/resources.js';
import { CLOCK, IDS, LOGGER } from '../tokens.js';
import type { Logger } from 'pino';
import { resourceRoutes } from './resources.routes.js';

/** Mounts the resources' REST in a process; every service has it, so any of them can be asked. */
@Module({})
export class ResourcesApiModule implements OnModuleInit {
  constructor(
    @Inject(HttpAdapterHost) private readonly http: HttpAdapterHost,
    @Inject(Resources) private readonly resources: Resources,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(IDS) private readonly ids: Ids,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onModuleInit(): void {
    const { resources, clock, ids, logger } = this;
    const checkShape = (kind: string, spec: unknown) => (isKind(kind) ? checkSpec(kind, spec) : []);
    rawRoutes(
      this.http,
      { body: 'buffer', onError: (error, request, reply) => void sendProblem(logger, error, request, reply) },
      (server) => resourceRoutes(server, { resources, checkShape, clock, ids }),
    );
  }
}
