import type { EventLog } from '@millrace/event-log';
import type { Clock, Scheduler } from '@millrace/kernel';
import { Inject, Module, type DynamicModule, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { Health } from '../host/health.js';
import { rawRoutes } from '../http/raw-routes.js';
import { Resources } from '../log/resources.js';
import { CLOCK, EVENT_LOG, SCHEDULER } from '../tokens.js';
import { eventsRoutes } from './events.routes.js';
import { EventReader } from './read-events.js';
import { VisibleTopics } from './visible-topics.js';

const SERVICE = Symbol('name of the service');

/** Mounts the log's REST in a process; every service has it, because every service sees the whole log. */
@Module({})
export class EventsApiModule implements OnModuleInit, OnModuleDestroy {
  readonly #stopping = new AbortController();

  static of(service: string): DynamicModule {
    return { module: EventsApiModule, providers: [{ provide: SERVICE, useValue: service }] };
  }

  constructor(
    @Inject(HttpAdapterHost) private readonly http: HttpAdapterHost,
    @Inject(SERVICE) private readonly service: string,
    @Inject(EVENT_LOG) private readonly log: EventLog,
    @Inject(Resources) private readonly resources: Resources,
    @Inject(Health) private readonly health: Health,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
  ) {}

  onModuleInit(): void {
    const { service, log, health, clock, scheduler } = this;
    const { catalog } = this.resources;
    const topics = new VisibleTopics(log, catalog);
    const reader = new EventReader({ log, clock, scheduler });
    rawRoutes(this.http, { body: 'buffer' }, (server) =>
      eventsRoutes(server, { service, log, health, catalog, topics, reader, stopping: this.#stopping.signal }),
    );
  }

  /** Before HTTP waits for its requests to end: those that wait for events would take half a minute. */
  onModuleDestroy(): void {
    this.#stopping.abort();
  }
}
