import { accept, reject, unchanged, type Command, type Decider, type Decision, type Rejection } from '@millrace/kernel';
import type { StreamEvent, StreamProgressed, StreamStarted } from './stream.events.js';

export const STREAM = 'stream';

export function streamSubject(name: string): string {
  return `${STREAM}/${name}`;
}

export interface StartedStream extends StreamStarted {
  readonly status: 'started';
  readonly startedAt: number;
  /** Partition -> offset before which every event has its output or its letter, where the last ones had letters. */
  readonly progressed: Readonly<Record<number, number>>;
}

export type StreamState = { readonly status: 'absent' } | StartedStream;

export type StreamCommand =
  (Command<'StartStream'> & { readonly started: StreamStarted }) | (Command<'ProgressStream'> & { readonly progressed: StreamProgressed });

export type StreamRejection = Rejection<
  'MR_INFERENCE_STREAM_NOT_STARTED' | 'MR_INFERENCE_STREAM_GENERATION_OVER' | 'MR_INFERENCE_STREAM_TOPICS_DIFFER'
>;

/** A stream: each of its generations begins once, at places that then stand; what it has done is in its output topic. */
export const stream: Decider<StreamState, StreamCommand, StreamEvent, StreamRejection> = {
  initial: () => ({ status: 'absent' }),

  evolve: (state, event, { time }) => {
    if (event.type === 'StreamStarted') return { ...event.data, status: 'started', startedAt: time, progressed: {} };
    if (state.status === 'absent') return state;
    const { partition, next } = event.data;
    return { ...state, progressed: { ...state.progressed, [partition]: next } };
  },

  decide: (command, state): Decision<StreamEvent, StreamRejection> => {
    switch (command.type) {
      case 'StartStream':
        return start(command.started, state);
      case 'ProgressStream': {
        const { generation, partition, next } = command.progressed;
        if (state.status === 'absent') return reject('MR_INFERENCE_STREAM_NOT_STARTED', 'the stream has not begun');
        if (generation !== state.generation) return over(generation, state);
        const known = Math.max(state.progressed[partition] ?? 0, state.positions[partition] ?? 0);
        return next <= known ? unchanged : accept('StreamProgressed', command.progressed);
      }
    }
  },
};

function start(started: StreamStarted, state: StreamState): Decision<StreamEvent, StreamRejection> {
  if (state.status === 'absent' || started.generation > state.generation) return accept('StreamStarted', started);
  if (started.generation < state.generation) return over(started.generation, state);
  if (started.topic === state.topic && started.outputTopic === state.outputTopic) return unchanged;
  return reject(
    'MR_INFERENCE_STREAM_TOPICS_DIFFER',
    `generation ${state.generation} goes from ${state.topic} to ${state.outputTopic}; to go from ${started.topic} to ${started.outputTopic}, begin anew with spec.generation ${state.generation + 1}`,
  );
}

function over(generation: number, state: StartedStream): Decision<StreamEvent, StreamRejection> {
  return reject(
    'MR_INFERENCE_STREAM_GENERATION_OVER',
    `generation ${generation} is over: ${state.generation} has begun; spec.generation must be at least that`,
  );
}
