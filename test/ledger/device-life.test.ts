import { describe, expect, it } from 'vitest';
import { maxDeviceChanges } from '../../src/domain/device.ts';
import type { ControlEvent } from '../../src/domain/events.ts';
import type { DeviceId } from '../../src/domain/ids.ts';
import { findContradiction } from '../../src/ledger/contradiction.ts';
import { created, deviceState, enrolled, sampleSeconds, stateOf, tokenCreated } from './samples.ts';

const id = 'd1' as DeviceId;
const newlyEnrolled = { ...enrolled('d1', 't1'), state: 'enrolled' } as ControlEvent;
const postureAccepted: ControlEvent = { type: 'device-posture-accepted', device: id };
const begin = [created, tokenCreated('t1')] as const;
const life = (...events: ControlEvent[]) => stateOf(...begin, newlyEnrolled, ...events);

describe('the life of a device in the ledger', () => {
  it('begins as enrolled, and is active once its posture was accepted', () => {
    expect(life().devices.get(id)).toMatchObject({ state: 'enrolled', awaits: 'posture' });
    const device = life(postureAccepted).devices.get(id);
    expect(device).toMatchObject({ state: 'active', reason: 'first-posture' });
    expect(device).not.toHaveProperty('awaits');
  });

  it('begins as active in a log that was written before there was another beginning', () => {
    const state = stateOf(...begin, enrolled('d1', 't1'));
    expect(state.devices.get(id)).toMatchObject({ state: 'active' });
    expect(state.devices.get(id)).not.toHaveProperty('awaits');
    expect(findContradiction(state, postureAccepted)).toMatchObject({ code: 'conflict' });
  });

  it('is told in order, with when, who and why', () => {
    const state = life(postureAccepted, deviceState('d1', 'quarantined'), deviceState('d1', 'lost'));
    const change = { at: sampleSeconds, by: 'test' };
    expect(state.deviceHistory.get(id)).toEqual([
      { ...change, state: 'enrolled', reason: 'enrollment' },
      { ...change, state: 'active', reason: 'first-posture' },
      { ...change, state: 'quarantined', reason: 'test' },
      { ...change, state: 'lost', reason: 'test' },
    ]);
  });

  it.each(['quarantined', 'revoked', 'lost', 'active'] as const)(
    'is not changed by its posture once a person said that it is %s',
    (state) => {
      const decided = life(deviceState('d1', state));
      expect(decided.devices.get(id)).toMatchObject({ state });
      expect(findContradiction(decided, postureAccepted)).toMatchObject({ code: 'conflict' });
    },
  );

  it('keeps its beginning and the newest changes, however long it is', () => {
    const many = Array.from({ length: 2 * maxDeviceChanges }, (_, index) =>
      deviceState('d1', index % 2 === 0 ? 'quarantined' : 'active'),
    );
    const history = life(...many).deviceHistory.get(id) ?? [];
    expect(history).toHaveLength(maxDeviceChanges);
    expect(history[0]).toMatchObject({ reason: 'enrollment' });
    expect(history.at(-1)).toMatchObject({ state: 'active', reason: 'test' });
  });
});
