import { accept, reject, type Command, type Decider, type Decision, type Rejection } from '@millrace/kernel';
import type { OnlineScoringConfigured, ScorersEvent } from './scorers.events.js';

export const SCORERS = 'scorers';
/** All of an experiment's scorers are one state, which has to stay small enough to be read at once. */
const MOST_VERSIONS = 1000;

export interface Scorer {
  readonly scorerId: string;
  readonly versions: Map<number, ScorerVersion>;
  lastVersion: number;
  /** What was said last about judging new traces with it. */
  online?: Omit<OnlineScoringConfigured, 'name'>;
}

export interface ScorerVersion {
  readonly serialized: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
}

/** By name. */
export type Scorers = Map<string, Scorer>;

export type ScorersCommand =
  | (Command<'RegisterScorer'> & {
      /** The id it gets when the name is new. */
      readonly scorerId: string;
      readonly name: string;
      readonly serialized: string;
    })
  | (Command<'ConfigureOnlineScoring'> & OnlineScoringConfigured)
  | (Command<'DeleteScorer'> & { readonly name: string; readonly version: number | null });

export type ScorersRejection = Rejection<'MR_TRACKING_SCORER_NOT_FOUND' | 'MR_TRACKING_SCORERS_FULL'>;

/** The scorers of one experiment, each in versions that count up. */
export const scorers: Decider<Scorers, ScorersCommand, ScorersEvent, ScorersRejection> = {
  initial: () => new Map(),

  evolve(state, event, { time }) {
    const { name } = event.data;
    if (event.type === 'ScorerRegistered') {
      const { scorerId, version, serialized } = event.data;
      const scorer = state.get(name) ?? { scorerId, versions: new Map<number, ScorerVersion>(), lastVersion: 0 };
      scorer.versions.set(version, { serialized, createdAt: time });
      scorer.lastVersion = version;
      state.set(name, scorer);
      return state;
    }
    const scorer = state.get(name);
    if (event.type === 'OnlineScoringConfigured') {
      const { configId, sampleRate, filterString } = event.data;
      if (scorer) scorer.online = { configId, sampleRate, filterString };
      return state;
    }
    const { version } = event.data;
    if (version !== null) scorer?.versions.delete(version);
    if (version === null || scorer?.versions.size === 0) state.delete(name);
    return state;
  },

  decide(command, state, { subject }): Decision<ScorersEvent, ScorersRejection> {
    const experimentId = subject.slice(subject.indexOf('/') + 1);
    const scorer = state.get(command.name);
    if (command.type === 'RegisterScorer') {
      const { name, serialized } = command;
      const total = [...state.values()].reduce((sum, { versions }) => sum + versions.size, 0);
      if (total >= MOST_VERSIONS) {
        const message = `Experiment ${experimentId} has ${total} versions of scorers, the most there may be; delete some first.`;
        return reject('MR_TRACKING_SCORERS_FULL', message, { experimentId });
      }
      return accept('ScorerRegistered', {
        ...{ scorerId: scorer?.scorerId ?? command.scorerId, name, version: (scorer?.lastVersion ?? 0) + 1, serialized },
      });
    }
    if (command.type === 'ConfigureOnlineScoring') {
      const { type: _, ...configured } = command;
      return scorer ? accept('OnlineScoringConfigured', configured) : scorerNotFound(experimentId, command.name, null);
    }
    const { name, version } = command;
    if (!scorer || (version !== null && !scorer.versions.has(version))) return scorerNotFound(experimentId, name, version);
    return accept('ScorerDeleted', { name, version });
  },
};

function scorerNotFound(experimentId: string, name: string, version: number | null): Decision<ScorersEvent, ScorersRejection> {
  const which = version === null ? '' : ` and version ${version}`;
  const message = `Scorer with name '${name}'${which} not found for experiment ${experimentId}.`;
  return reject('MR_TRACKING_SCORER_NOT_FOUND', message, { experimentId, name, version });
}
