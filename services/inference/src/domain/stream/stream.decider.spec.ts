import { expect, test } from '@jest/globals';
import { stream, type StreamCommand, type StreamState } from './stream.decider.js';
import type { StreamStarted } from './stream.events.js';

const first: StreamStarted = { generation: 2, topic: 'in', outputTopic: 'out', start: 'latest', positions: [5, 0] };

function fold(...commands: StreamCommand[]): { state: StreamState; said: string[] } {
  let state = stream.initial();
  const said = commands.map((command, index) => {
    const decision = stream.decide(command, state, { subject: 'stream/s', now: index } as never);
    if (decision.kind === 'accept') state = stream.evolve(state, decision.event, { time: index } as never);
    return decision.kind === 'accept' ? decision.event.type : decision.kind === 'reject' ? decision.rejection.code : 'unchanged';
  });
  return { state, said };
}

const start = (change: Partial<StreamStarted> = {}): StreamCommand => ({ type: 'StartStream', started: { ...first, ...change } });
const progress = (partition: number, next: number, generation = 2): StreamCommand => ({
  ...{ type: 'ProgressStream', progressed: { generation, partition, next } },
});

test('the first to begin a generation says where, for all', () => {
  const { state, said } = fold(start(), start({ positions: [9, 9] }));
  expect(said).toEqual(['StreamStarted', 'unchanged']);
  expect(state).toMatchObject({ status: 'started', positions: [5, 0], startedAt: 0 });
});

test('other topics need another generation, and one that is over stays over', () => {
  const { state, said } = fold(start(), start({ outputTopic: 'other' }), start({ generation: 3, outputTopic: 'other' }), start());
  expect(said).toEqual(['StreamStarted', 'MR_INFERENCE_STREAM_TOPICS_DIFFER', 'StreamStarted', 'MR_INFERENCE_STREAM_GENERATION_OVER']);
  expect(state).toMatchObject({ generation: 3, outputTopic: 'other' });
});

test('progress goes on and never back, and is of one generation', () => {
  const { state, said } = fold(
    progress(0, 9),
    start(),
    progress(0, 5),
    progress(0, 1000),
    progress(0, 900),
    progress(1, 7),
    progress(0, 2000, 1),
  );
  expect(said).toEqual([
    'MR_INFERENCE_STREAM_NOT_STARTED',
    'StreamStarted',
    'unchanged',
    'StreamProgressed',
    'unchanged',
    'StreamProgressed',
    'MR_INFERENCE_STREAM_GENERATION_OVER',
  ]);
  expect(state).toMatchObject({ progressed: { 0: 1000, 1: 7 } });
  expect(fold(start(), progress(0, 1000), start({ generation: 4 })).state).toMatchObject({ progressed: {} });
});
