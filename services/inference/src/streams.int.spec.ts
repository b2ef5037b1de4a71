import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { decisionsTopic, outputHeaders, outputId } from '@millrace/contracts';
import { deadLetterOf, deadLetterTopicOf, encodeFact, readDeadLetter, type DeadLetter, type LogRecord } from '@millrace/event-log';
import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
import { tempDir, waitFor, type TempDir } from '@millrace/testing';
import { InferenceModule, inferenceConfig } from './index.js';
import { delayModel, delayProbability, departures, FLIGHTS } from './testing/flights.js';
import { PublishedModels } from './testing/published-models.js';
import { rowModel } from './testing/row-model.js';
import { countedOutputs, StreamClient, writtenOutputs, type Output } from './testing/stream-client.js';

const EVENTS = Date.parse('2001-01-01T10:00:00Z');
const definition = (kind: string, name: string, spec: string): string =>
  `---\napiVersion: millrace.dev/v1\nkind: ${kind}\nmetadata: {name: ${name}}\nspec: ${spec}\n`;

describe('streaming inference', () => {
  let directory: TempDir;
  let service: RunningService;
  let streams: StreamClient;
  let models: PublishedModels;

  const begin = async (): Promise<void> => {
    const environment = {
      ...{ MILLRACE_DATA_DIR: directory.path, MILLRACE_PORT: '0', MILLRACE_GRPC_PORT: '0', MILLRACE_CLICKHOUSE_PORT: '0' },
      MILLRACE_LOG_LEVEL: 'error',
    };
    service = await bootstrap(InferenceModule, loadConfig([inferenceConfig], environment));
    streams = new StreamClient(service.url);
  };

  beforeAll(async () => {
    directory = await tempDir('streams');
    await begin();
    models = new PublishedModels(service.host);
    await models.register('delay', delayModel(0));
    await models.register('delay', delayModel(2));
    await models.register('row', rowModel(100));
    await streams.apply(`${FLIGHTS}${definition('Deployment', 'delay', '{model: models:/delay/1, featureService: delay_model}')}`);
    await streams.apply(definition('Deployment', 'row', '{model: models:/row/1}'));
    await departures(service.host, [
      { origin: 'ORD', departed: '2001-01-01T09:30:00Z', delay: 20 },
      { origin: 'SFO', departed: '2001-01-01T09:45:00Z', delay: 2 },
    ]);
  }, 120_000);
  afterAll(async () => {
    await service.close();
    await directory.remove();
  }, 60_000);

  /** A source of events with a number, and its topic. */
  const numbers = async (name: string, partitions = 1): Promise<void> => {
    await service.host.log.ensureTopic({ name, partitions, retention: 'forever' });
    await streams.apply(
      definition('Source', name, `{topic: ${name}, eventTime: at, eventId: id, schema: {at: DateTime64(3), id: String, index: Int64}}`),
    );
  };
  const put = (topic: string, events: readonly (object | string)[], partition = 0, key: string | null = null) =>
    service.host.log.append(
      events.map((event) => ({ topic, partition, key, value: Buffer.from(typeof event === 'string' ? event : JSON.stringify(event)) })),
    );
  const numbered = (from: number, to: number, index = (n: number) => n % 100): object[] =>
    Array.from({ length: to - from }, (_, n) => ({ at: EVENTS + from + n, id: `e${from + n}`, index: index(from + n) }));
  const outputs = (topic: string, count: number): Promise<Output[]> =>
    waitFor(
      async () => {
        const found = await countedOutputs(service.host.log, topic);
        return found.length >= count && found;
      },
      { timeoutMs: 60_000, what: `${count} outputs in ${topic}` },
    );
  const letters = async (topic: string, count: number): Promise<DeadLetter[]> =>
    waitFor(
      async () => {
        const found: DeadLetter[] = [];
        const name = deadLetterTopicOf(topic);
        if ((await service.host.log.partitions(name)) !== undefined)
          for await (const record of service.host.log.read(name, 0, 0)) found.push(readDeadLetter(record));
        return found.length >= count && found;
      },
      { timeoutMs: 30_000, what: `${count} letters of ${topic}` },
    );
  const is = (name: string, status: string, reason: RegExp | null = null) =>
    waitFor(
      async () => {
        const shown = await streams.get(name);
        return shown.status === status && (reason === null || reason.test(shown.reason ?? '')) && shown;
      },
      { timeoutMs: 30_000, what: `stream ${name} to be ${status}` },
    );
  const rows = <T>(sql: string): Promise<T[]> => service.host.offline.query<T>(sql);

  test('enriches as of the event, predicts, passes columns through, and records the prediction', async () => {
    await service.host.log.ensureTopic({ name: 'due', partitions: 2, retention: 'forever' });
    const schema = '{at: DateTime64(3), flight: String, from_airport: String, miles: Float32, wide: Int64}';
    const spec = `{deployment: delay, source: due, inputs: {origin: from_airport, distance: miles}, output: {topic: due.predicted, columns: [flight, wide], outputs: [probability]}}`;
    await streams.apply(
      `${definition('Source', 'due', `{topic: due, key: flight, eventTime: at, schema: ${schema}}`)}${definition('StreamingInference', 'due', spec)}`,
    );
    const event = (flight: string, from_airport: string, minutes: number, miles = 800) => ({
      ...{ flight, from_airport, miles, at: EVENTS + minutes * 60_000, wide: '9007199254740993' },
    });
    await put('due', [event('AA1', 'ORD', 0), event('AA2', 'ORD', -40), event('UA1', 'XXX', 0)], 0, 'k');
    await put('due', [event('AA3', 'SFO', 0), '{"flight": ', { ...event('AA4', 'ORD', 0), miles: 'far' }], 1, 'k1');
    const found = await outputs('due.predicted', 4);
    expect(found.map(({ record }) => [record.partition, record.key])).toEqual([
      [0, 'k'],
      [0, 'k'],
      [0, 'k'],
      [1, 'k1'],
    ]);
    // Before half past nine nothing was known of ORD; of XXX never.
    const expected = [
      delayProbability(0, 800, 20, 1),
      delayProbability(0, 800, null, 1),
      delayProbability(0, 800, null, 1),
      delayProbability(0, 800, 2, 1),
    ];
    expect(found.map(({ data }) => data.outputs)).toEqual(expected.map((probability) => ({ probability: expect.closeTo(probability, 5) })));
    expect(found[0]?.data).toMatchObject({
      ...{ stream: 'due', generation: 1, deployment: 'delay', model: 'delay', version: 1, variant: null },
      input: { topic: 'due', partition: 0, offset: 0, time: EVENTS },
      columns: { flight: 'AA1', wide: '9007199254740993' },
    });
    expect(found[0]?.record.headers).toMatchObject({
      ...{ ce_id: 'due:1:due/0@0', ce_type: 'millrace.inference.StreamPredicted.v1', ce_subject: 'stream/due' },
      ...{ ce_stream: 'due', ce_inputtopic: 'due', ce_inputpartition: '0', ce_inputoffset: '0', ce_generation: '1' },
    });
    const told = await letters('due', 2);
    expect(told.map(({ id, code, consumer }) => [id, code, consumer])).toEqual([
      ['due/1@1', 'UNDECODABLE', 'inference.stream.due'],
      ['due/1@2', 'UNDECODABLE', 'inference.stream.due'],
    ]);
    expect(told[0]?.record.value.toString()).toBe('{"flight": ');
    // Both the prediction and the output are where analysts look, and they name each other and the event.
    const predicted = await waitFor(
      async () => {
        const list = await rows<{ request_id: string; same: number; feature_time: string }>(
          `SELECT p.request_id AS request_id, toInt32(p.prediction_id = o.prediction_id) AS same, toString(p.feature_time) AS feature_time
         FROM millrace.predictions AS p INNER JOIN millrace.stream_outputs AS o ON o.output_id = p.request_id ORDER BY request_id`,
        );
        return list.length === 4 && list;
      },
      { timeoutMs: 30_000 },
    );
    expect(predicted[0]).toEqual({ request_id: 'due:1:due/0@0', same: 1, feature_time: '2001-01-01 10:00:00.000' });
    const shown = await streams.get('due');
    expect(shown).toMatchObject({ status: 'running', lag: 0, lagSeconds: 0, generation: 1 });
    expect(shown.partitions.map(({ next, end, isHere }) => [next, end, isHere])).toEqual([
      [3, 3, true],
      [3, 3, true],
    ]);
    const metrics = await streams.metrics();
    expect(metrics).toMatch(/^millrace_stream_lag_records\{stream="due",partition="1",service="inference"\} 0$/m);
    expect(metrics).toMatch(/^millrace_stream_outputs_total\{stream="due",service="inference"\} 4$/m);
  }, 120_000);

  test('what the model refuses goes to the dead letters, and its neighbours have their outputs', async () => {
    await numbers('rows');
    await streams.apply(
      definition('StreamingInference', 'rows', '{deployment: row, source: rows, output: {topic: rows.out}, maxBatchRecords: 50}'),
    );
    await put(
      'rows',
      numbered(0, 200, (n) => (n % 10 === 3 ? 1000 : n % 100)),
    );
    const found = await outputs('rows.out', 180);
    expect(found.map(({ place, data }) => [place.offset, data.outputs['value'], data.columns['id']])).toEqual(
      Array.from({ length: 200 }, (_, n) => [n, (n % 100) * 10, `e${n}`]).filter(([n]) => Number(n) % 10 !== 3),
    );
    const told = await letters('rows', 20);
    expect(told.map(({ id }) => id)).toEqual(Array.from({ length: 20 }, (_, n) => `rows/0@${n * 10 + 3}`));
    expect(told[0]).toMatchObject({ code: 'REFUSED', reason: expect.stringMatching(/^MR_INFERENCE_FAILED: the model failed/) });
    expect(JSON.parse(told[0]!.record.value.toString())).toEqual({ at: EVENTS + 3, id: 'e3', index: 1000 });
  }, 120_000);

  test('waits for its deployment, rests while it is suspended, and goes on where it was', async () => {
    await numbers('late');
    const spec = (more: string): string =>
      definition('StreamingInference', 'late', `{deployment: later, source: late, output: {topic: late.out}${more}}`);
    // No version of the model yet: what it names comes later.
    await streams.apply(`${definition('Deployment', 'later', '{model: models:/coming/1}')}${spec('')}`);
    await put('late', numbered(0, 10));
    const stalled = await is('late', 'stalled', /coming/);
    expect(stalled).toMatchObject({ lag: 10, partitions: [{ next: 0, end: 10, error: expect.stringMatching(/coming/) }] });
    expect(await streams.metrics()).toMatch(/millrace_stream_stalled_partitions\{stream="late"[^}]*\} 1/);
    await fetch(`${service.url}/api/v1/resources/Deployment/later`, { method: 'DELETE' });
    await is('late', 'waiting', /Deployment later is not there/);
    await models.register('coming', rowModel(100));
    await streams.apply(definition('Deployment', 'later', '{model: models:/coming/1}'));
    await outputs('late.out', 10);
    await streams.apply(spec(', suspended: true'));
    await is('late', 'suspended');
    await put('late', numbered(10, 15));
    expect(await streams.get('late')).toMatchObject({ status: 'suspended', lag: 5, partitions: [{ isHere: false, next: 10 }] });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await countedOutputs(service.host.log, 'late.out')).toHaveLength(10);
    await streams.apply(spec(', suspended: false'));
    const found = await outputs('late.out', 15);
    expect(found.map(({ place }) => place.offset)).toEqual(Array.from({ length: 15 }, (_, n) => n));
    expect((await writtenOutputs(service.host.log, 'late.out')).length).toBe(15);
  }, 120_000);

  test('begins at the end where it is told to, once, and anew with another generation', async () => {
    await numbers('fresh');
    await put('fresh', numbered(0, 5));
    const spec = (more: string): string =>
      definition('StreamingInference', 'fresh', `{deployment: row, source: fresh, start: latest, ${more}}`);
    await streams.apply(spec('output: {topic: fresh.out}'));
    await is('fresh', 'running');
    await put('fresh', numbered(5, 8));
    expect((await outputs('fresh.out', 3)).map(({ place }) => place.offset)).toEqual([5, 6, 7]);
    await streams.apply(spec('output: {topic: fresh.other}'));
    await is('fresh', 'blocked', /begin anew with spec.generation 2/);
    await streams.apply(
      definition(
        'StreamingInference',
        'fresh',
        '{deployment: row, source: fresh, start: earliest, generation: 2, output: {topic: fresh.other}}',
      ),
    );
    const found = await outputs('fresh.other', 8);
    expect(found.map(({ place }) => [place.generation, place.offset])).toEqual(Array.from({ length: 8 }, (_, n) => [2, n]));
    await streams.apply(spec('output: {topic: fresh.other}, generation: 1'));
    await is('fresh', 'blocked', /generation 1 is over/);
  }, 120_000);

  test('goes on behind what is written, also after another wrote there again, and tables have one row for each event', async () => {
    await numbers('twice');
    const spec = (more: string): string =>
      definition('StreamingInference', 'twice', `{deployment: row, source: twice, output: {topic: twice.out}${more}}`);
    await streams.apply(spec(''));
    await put('twice', numbered(0, 20));
    const before = await outputs('twice.out', 20);
    await streams.apply(spec(', suspended: true'));
    await is('twice', 'suspended');
    // One that had the partition before: what it had on its way arrives late, some of it never seen, and with other content.
    const late = before.slice(12).map(({ place, data }) => ({ place, data: { ...data, outputs: { value: -1 } } }));
    const unseen = [20, 21].map((offset) => ({
      place: { ...before[0]!.place, offset },
      data: { ...before[0]!.data, input: { ...before[0]!.data.input, offset }, outputs: { value: -2 } },
    }));
    await put('twice', numbered(20, 30));
    await service.host.log.append(
      [...late, ...unseen].map(({ place, data }) => {
        const fact = { id: outputId(place), type: 'millrace.inference.StreamPredicted.v1', source: '/millrace/inference', time: 0, data };
        const encoded = encodeFact('twice.out', null, fact);
        return { ...encoded, partition: 0, headers: { ...encoded.headers, ...outputHeaders(place) } };
      }),
    );
    await streams.apply(spec(''));
    const found = await outputs('twice.out', 30);
    const value = (n: number): unknown => (n === 20 || n === 21 ? -2 : n * 10);
    expect(found.map(({ place, data }) => [place.offset, data.outputs['value']])).toEqual(
      Array.from({ length: 30 }, (_, n) => [n, value(n)]),
    );
    expect((await writtenOutputs(service.host.log, 'twice.out')).length).toBe(38);
    const table = await waitFor(
      async () => {
        const list = await rows<{ n: number; value: number }>(
          `SELECT toInt32(input_offset) AS n, JSONExtractInt(outputs, 'value') AS value FROM millrace.stream_outputs WHERE stream = 'twice' ORDER BY n`,
        );
        return list.length >= 30 && list;
      },
      { timeoutMs: 30_000 },
    );
    expect(table.map(({ n, value: got }) => [n, Number(got)])).toEqual(Array.from({ length: 30 }, (_, n) => [n, value(n)]));
  }, 120_000);

  test('an output that the model does not have stalls, also when an alias moves to a version without it, and harms no event', async () => {
    await numbers('named');
    const spec = (output: string): string =>
      definition('StreamingInference', 'named', `{deployment: aliased, source: named, output: {topic: named.out, outputs: [${output}]}}`);
    await models.alias('row', 'live', 1);
    await streams.apply(`${definition('Deployment', 'aliased', '{model: "models:/row@live"}')}${spec('nope')}`);
    await put('named', numbered(0, 3));
    await is('named', 'stalled', /output "nope" of spec.output.outputs is not one of model row version 1, which gives "value"/);
    await streams.apply(spec('value'));
    await outputs('named.out', 3);
    await models.register('row', rowModel(100, 'other'));
    await models.alias('row', 'live', 2);
    await waitFor(
      async () => {
        const body = JSON.stringify({ inputs: [{ name: 'index', shape: [1], datatype: 'INT64', data: [1] }] });
        const answer = await fetch(`${service.url}/v2/models/aliased/infer`, {
          method: 'POST',
          body,
          headers: { 'content-type': 'application/json' },
        });
        return ((await answer.json()) as { model_version?: string }).model_version === '2';
      },
      { what: 'version 2 to be served' },
    );
    await put('named', numbered(3, 6));
    const shown = await is('named', 'stalled', /output "value" .* is not one of model row version 2, which gives "other"/);
    expect(shown.lag).toBeGreaterThan(0);
    await models.alias('row', 'live', 1);
    expect((await outputs('named.out', 6)).map(({ place }) => place.offset)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(await service.host.log.partitions(deadLetterTopicOf('named'))).toBeUndefined();
  }, 120_000);

  test('a long run of letters is looked at once, and a start goes on behind it', async () => {
    await numbers('poison');
    await streams.apply(definition('StreamingInference', 'poison', '{deployment: row, source: poison, output: {topic: poison.out}}'));
    await put('poison', numbered(0, 1));
    await put(
      'poison',
      Array.from({ length: 1_040 }, (_, n) => `nothing ${n}`),
    );
    await letters('poison', 1_040);
    await waitFor(async () => (await streams.get('poison')).lag === 0);
    await service.close();
    await begin();
    await is('poison', 'running');
    await put('poison', numbered(1, 2));
    expect((await outputs('poison.out', 2)).map(({ place }) => place.offset)).toEqual([0, 1_041]);
    const again = await letters('poison', 1_040);
    expect(again).toHaveLength(1_040);
    expect(new Set(again.map(({ id }) => id)).size).toBe(1_040);
  }, 120_000);

  test('few letters at the end are told after a while and at a stop, and one that a killed process wrote is not written again', async () => {
    await numbers('few');
    const spec = (more: string): string =>
      definition('StreamingInference', 'few', `{deployment: row, source: few, output: {topic: few.out}${more}}`);
    await streams.apply(spec(''));
    const refused = { at: EVENTS, id: 'x', index: 1000 };
    await put('few', [...numbered(0, 2), refused, 'nothing']);
    await letters('few', 2);
    await waitFor(async () => (await streams.get('few')).lag === 0);
    // With nobody at work, what the log tells is shown.
    await streams.apply(spec(', suspended: true'));
    await is('few', 'suspended');
    await waitFor(async () => (await streams.get('few')).partitions[0]?.next === 4, { what: 'the stop to tell how far it came' });
    await put('few', [refused, 'nothing', refused]);
    const left: LogRecord[] = [];
    for await (const record of service.host.log.read('few', 0, 4)) left.push(record);
    await service.host.log.append(
      left
        .slice(0, 2)
        .map((record, index) =>
          deadLetterOf(
            record,
            'inference.stream.few',
            { code: index === 0 ? 'REFUSED' : 'UNDECODABLE', message: 'by the one killed' },
            service.host.clock.now(),
          ),
        ),
    );
    await streams.apply(spec(', suspended: false'));
    await letters('few', 5);
    await waitFor(async () => (await streams.get('few')).lag === 0);
    // What cannot be read has its letter before the batch, what is refused behind it.
    expect((await letters('few', 5)).map(({ id, code }) => `${id} ${code}`).sort()).toEqual([
      'few/0@2 REFUSED',
      'few/0@3 UNDECODABLE',
      'few/0@4 REFUSED',
      'few/0@5 UNDECODABLE',
      'few/0@6 REFUSED',
    ]);
    const { log } = service.host;
    const topic = decisionsTopic('inference');
    const told = async (): Promise<number[]> => {
      const next: number[] = [];
      const count = (await log.partitions(topic)) ?? 0;
      for (let partition = 0; partition < count; partition++)
        for await (const { value, headers } of log.read(topic, partition, 0))
          if (headers['ce_subject'] === 'stream/few' && headers['ce_type']?.includes('StreamProgressed'))
            next.push((JSON.parse(value.toString()) as { next: number }).next);
      return next;
    };
    await waitFor(async () => (await told()).includes(7), { timeoutMs: 20_000, what: 'progress to be told' });
    expect(await told()).toEqual([4, 7]);
  }, 120_000);

  test('a definition that no event could be asked with stalls, and harms no event', async () => {
    await numbers('unfit');
    await streams.apply(
      definition('Source', 'unfit', '{topic: unfit, eventTime: at, schema: {at: DateTime64(3), id: String, place: Int64}}'),
    );
    await streams.apply(definition('StreamingInference', 'unfit', '{deployment: row, source: unfit, output: {topic: unfit.out}}'));
    await put('unfit', [{ at: EVENTS, id: 'a', place: 4 }]);
    await is('unfit', 'stalled', /the model takes "index", no column of Source unfit; say in spec.inputs/);
    await streams.apply(
      definition('StreamingInference', 'unfit', '{deployment: row, source: unfit, inputs: {index: place}, output: {topic: unfit.out}}'),
    );
    expect((await outputs('unfit.out', 1))[0]?.data.outputs).toEqual({ value: 40 });
    expect(await service.host.log.partitions(deadLetterTopicOf('unfit'))).toBeUndefined();
  }, 120_000);

  test('lists streams page by page, and says what is not there', async () => {
    const first = await streams.list('?limit=2');
    expect(first.streams.map(({ name }) => name)).toEqual(['due', 'few']);
    expect((await streams.list(`?limit=2&pageToken=${first.nextPageToken}`)).streams[0]?.name).toBe('fresh');
    await expect(streams.get('nobody')).rejects.toThrow(/404.*MR_INFERENCE_STREAM_NOT_FOUND/);
    expect((await fetch(`${service.url}/api/v1/streams?limit=0`)).status).toBe(400);
  });
});
