import { OK, SKIP, type BatchResult, type CloudEvent, type Item, type ItemBatch, type Result } from '@millrace/event-log';
import type { Clock, Ids } from '@millrace/kernel';
import { Body, Controller, Get, Inject, Injectable, Module, Param, Post, Req, Res, type OnModuleInit } from '@nestjs/common';
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

export const RINGS = 'millrace.tally.rings';

/** Opens the domain and keeps what its handlers have seen. */
@Injectable()
export class TallyDomain implements OnModuleInit {
  log!: DomainLog;
  readonly grown: number[] = [];
  readonly batches: number[][] = [];
  readonly reacted: unknown[] = [];
  /** What the next calls of the reaction do instead of taking the record. */
  readonly answers: (() => Promise<Result>)[] = [];

  constructor(@Inject(DomainLogs) private readonly logs: DomainLogs) {}

  async onModuleInit(): Promise<void> {
    this.log = await this.logs.open({ domain: 'tally', aggregates: { tally } });
    this.log.onAccepted((record) => this.grown.push((record.data as { by: number }).by));
  }
}

@Controller('api/v1/tallies')
export class TallyController {
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
    const positions = await this.facts.append(RINGS, [{ key: 'bell', domain: 'tally', type: 'BellRung', data: { name } }]);
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
export class TallyHandlers {
  constructor(@Inject(TallyDomain) private readonly domain: TallyDomain) {}

  @Projects(RINGS, { name: 'tally.rings' })
  async project(batch: ItemBatch<CloudEvent>): Promise<BatchResult> {
    this.domain.batches.push(batch.items.map((item) => item.record.offset));
    return { kind: 'ok' };
  }

  @Reacts(RINGS, { name: 'tally.bells' })
  async react(item: Item<CloudEvent>): Promise<Result> {
    const answer = this.domain.answers.shift();
    if (answer) return answer();
    this.domain.reacted.push(item.value.data);
    return (item.value.data as { name: string }).name === 'skipped' ? SKIP('not mine') : OK;
  }
}

/** Routes of a protocol with an error format of its own, without Nest in between. */
@Injectable()
export class TallyRawRoutes implements OnModuleInit {
  constructor(
    @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
    @Inject(TallyDomain) private readonly domain: TallyDomain,
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
      scope.post('/json', async (request) => ({ got: request.body ?? null, count: this.domain.grown.length }));
    });
  }
}

@Module({ controllers: [TallyController, TallyHandlers], providers: [TallyDomain, TallyRawRoutes] })
export class TallyModule {}
