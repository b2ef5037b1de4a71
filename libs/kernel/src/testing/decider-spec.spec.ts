import { describe, expect, test } from '@jest/globals';
import { accept, reject, unchanged, type Decider, type Event } from '../decider.js';
import type { Rejection } from '../rejection.js';
import { deciderSpec } from './decider-spec.js';

type Switched = Event<'SwitchedOn', { by: string; at: number; note?: string | undefined }>;
type Command = { type: 'SwitchOn'; note?: string } | { type: 'Break' } | { type: 'Meddle' } | { type: 'Waver' };

let wavering = 0;
const lamp: Decider<{ on: boolean; order: number[] }, Command, Switched, Rejection<'MR_LAMP_BROKEN'>> = {
  initial: () => ({ on: false, order: [] }),
  evolve: (state, _event, { sequence }) => ({ on: true, order: [...state.order, sequence] }),
  decide(command, state, { actor, time }) {
    switch (command.type) {
      case 'SwitchOn':
        return state.on ? unchanged : accept('SwitchedOn', { by: actor, at: time, note: command.note });
      case 'Break':
        return reject('MR_LAMP_BROKEN', 'the lamp is broken', { on: state.on });
      case 'Meddle':
        state.on = true;
        return unchanged;
      case 'Waver':
        return accept('SwitchedOn', { by: actor, at: wavering++ });
    }
  },
};

const on: Switched = { type: 'SwitchedOn', data: { by: 'ada', at: 7 } };
const spec = deciderSpec(lamp, { actor: 'ada', time: 7 });

describe('deciderSpec', () => {
  test('passes what is so', () => {
    expect(spec.given().when({ type: 'SwitchOn' }).accepts(on)).toEqual({ on: true, order: [1] });
    expect(
      spec
        .given()
        .when({ type: 'SwitchOn' }, { actor: 'bob' })
        .accepts({ type: 'SwitchedOn', data: { by: 'bob', at: 7 } }).on,
    ).toBe(true);
    expect(spec.given(on, on).state.order).toEqual([1, 2]);
    spec.given(on).when({ type: 'SwitchOn' }).unchanged();
    spec.given(on).when({ type: 'Break' }).rejects('MR_LAMP_BROKEN', { on: true });
  });

  test('fails what is not', () => {
    expect(() => spec.given().when({ type: 'SwitchOn', note: 'x' }).accepts(on)).toThrow();
    expect(() => spec.given().when({ type: 'SwitchOn' }).unchanged()).toThrow(/nothing to change.*accept/);
    expect(() => spec.given(on).when({ type: 'SwitchOn' }).accepts(on)).toThrow(/SwitchedOn to be accepted/);
    expect(() => spec.given(on).when({ type: 'SwitchOn' }).rejects('MR_LAMP_BROKEN')).toThrow(/MR_LAMP_BROKEN/);
    expect(() => spec.given(on).when({ type: 'Break' }).rejects('MR_LAMP_BROKEN', { on: false })).toThrow();
  });

  test('fails a decide that changes the state or depends on more than its arguments', () => {
    expect(() => spec.given().when({ type: 'Meddle' })).toThrow(/changed the state/);
    expect(() => spec.given().when({ type: 'Waver' })).toThrow(/two outcomes/);
  });
});
