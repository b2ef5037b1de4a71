import { OK, SKIP, type BatchResult, type CloudEvent, type Item, type ItemBatch, type Result } from '@millrace/event-log';
import type { Clock, Ids } from '@millrace/kernel';
import { Body, Controller, Get, Inject, Injectable, Module, Param, Post, Req, Res, type OnModuleInit, type Type } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ProblemError, rejectionToProblem } from '../http/problem.js';
import { rawRoutes } from '../http/raw-routes.js';
import { awaitPosition, commandMetadata, sendPosition } from '../http/request.js';
import type { DomainLog } from '../log/domain-log.js';
import { DomainLogs } from '../log/domain-logs.js';
import { Facts } from '../log/facts.js';
import { CLOCK, IDS } from '../tokens.js';
import { Projects, Reacts } from '../transport/decorators.js';
import { tally, type Tally, type TallyEvent, type TallyRejection } from './tally.js';

/** What the module's handlers have seen, and what the next calls of its reaction do instead of taking the record. */
export class TallyWitness {
  readonly grown: number[] = [];
  readonly batches: number[][] = [];
  readonly reacted: unknown[] = [];
  readonly answers: (() => Promise<Result>)[] = [];
}

export interface TallyService {
  readonly module: Type;
  /** Its fact topic. */
  readonly rings: string;
}

/** A whole small service under a domain name of its own, so that several may share one log. */
export function tallyService(domain: string): TallyService {
  const rings = `millrace.${domain}.rings`;

  @Injectable()
  class TallyDomain implements OnModuleInit {
    log!: DomainLog;

    constructor(
      @Inject(DomainLogs) private readonly logs: DomainLogs,
      @Inject(TallyWitness) private readonly witness: TallyWitness,
    ) {}

    async onModuleInit(): Promise<void> {
      this.log = await this.logs.open({ domain, aggregates: { tally } });
      this.log.onAccepted((record) => this.witness.grown.push((record.data as { by: number }).by));
    }
  }

  @Controller('api/v1/tallies')
  class TallyController {
    constructor(
      @Inject(TallyDomain) private readonly domain: TallyDomain,
      @Inject(Facts) private readonly facts: Facts,
      @Inject(CLOCK) private readonly clock: Clock,
      @Inject(IDS) private readonly ids: Ids,
    ) {}

    @Post(':name/grow')
    async grow(
      @Param('name') name: string,
      @Body() body: { by: number },
      @Req() request: FastifyRequest,
      @Res({ passthrough: true }) reply: FastifyReply,
    ): Promise<object> {
      const metadata = commandMetadata(request, this.clock, this.ids);
      const command = { type: 'GrowTally', by: body.by };
      const outcome = await this.domain.log.handle<TallyEvent, TallyRejection>(`tally/${name}`, command, metadata);
      if (outcome.kind === 'rejected') throw rejectionToProblem(outcome.rejection);
      sendPosition(reply, outcome.position);
      return { outcome: outcome.kind, sequence: outcome.sequence };
    }

    @Post(':name/ring')
    async ring(@Param('name') name: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<object> {
      const positions = await this.facts.append(rings, [{ key: 'bell', domain, type: 'BellRung', data: { name } }]);
      sendPosition(reply, positions);
      return { rung: positions.length };
    }

    @Get(':name')
    async get(@Param('name') name: string, @Req() request: FastifyRequest): Promise<object> {
      await awaitPosition(request, this.domain.log);
      return { count: (this.domain.log.replica.subject(`tally/${name}`).state as Tally).count };
    }

    @Get(':name/defect')
    defect(): never {
      throw new TypeError('the secret is 42');
    }

    @Get(':name/teapot')
    teapot(): never {
      throw new ProblemError(418, 'MR_TALLY_TEAPOT', 'short and stout', { handle: 1 });
    }
  }

  @Controller()
  class TallyHandlers {
    constructor(@Inject(TallyWitness) private readonly witness: TallyWitness) {}

    @Projects(rings, { name: `${domain}.rings` })
    async project(batch: ItemBatch<CloudEvent>): Promise<BatchResult> {
      this.witness.batches.push(batch.items.map((item) => item.record.offset));
      return { kind: 'ok' };
    }

    @Reacts(rings, { name: `${domain}.bells` })
    async react(item: Item<CloudEvent>): Promise<Result> {
      const answer = this.witness.answers.shift();
      if (answer) return answer();
      this.witness.reacted.push(item.value.data);
      return (item.value.data as { name: string }).name === 'skipped' ? SKIP('not mine') : OK;
    }
  }

  /** Routes of a protocol with an error format of its own, without Nest in between. */
  @Injectable()
  class TallyRawRoutes implements OnModuleInit {
    constructor(
      @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
      @Inject(TallyWitness) private readonly witness: TallyWitness,
    ) {}

    onModuleInit(): void {
      rawRoutes(
        this.host,
        { body: 'buffer', maxBodyBytes: 100, onError: (error, _request, reply) => void reply.code(400).send({ error: String(error) }) },
        (scope) => {
          scope.post('/v2/bytes', async (request) => ({ bytes: (request.body as Buffer | undefined)?.length ?? 0 }));
          scope.post('/v2/fail', async () => Promise.reject(new Error('in its own words')));
        },
      );
      rawRoutes(this.host, { body: 'stream' }, (scope) => {
        scope.put('/files/*', async (request) => {
          let bytes = 0;
          for await (const chunk of request.body as AsyncIterable<Buffer>) bytes += chunk.length;
          return { bytes };
        });
        scope.get('/files/fail', async () => Promise.reject(new TypeError('unexpected')));
      });
      rawRoutes(this.host, { body: 'json' }, (scope) => {
        scope.post('/json', async (request) => ({ got: request.body ?? null, count: this.witness.grown.length }));
      });
    }
  }

  @Module({ controllers: [TallyController, TallyHandlers], providers: [TallyWitness, TallyDomain, TallyRawRoutes] })
  class TallyModule {}

  return { module: TallyModule, rings };
}
