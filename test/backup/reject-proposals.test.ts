import { describe, expect, it } from 'vitest';
import { rejectProposals } from '../../src/backup/reject-proposals.ts';
import type { ControlEvent } from '../../src/domain/events.ts';
import type { ControlState } from '../../src/domain/control-state.ts';
import { created, networkPut, sampleSeconds, stateOf } from '../ledger/samples.ts';

const proposed: ControlEvent = {
  type: 'change-proposed',
  id: 'c-1',
  expiresAt: sampleSeconds + 60,
  changes: [{ kind: 'Policy', name: 'x' }],
};
const backup = stateOf(created, networkPut('finance'), proposed);
const waits = stateOf(created, networkPut('finance'), proposed, networkPut('later'));
const rejected = stateOf(created, networkPut('finance'), proposed, {
  type: 'change-rejected',
  id: 'c-1',
  reason: 'no',
});
const earlier = stateOf(created);

const whole = (state: ControlState) => ({ state });
const damaged = (state: ControlState) => ({ state, problem: 'its end may be cut off' });

describe('a change that waited in the backup, beside', () => {
  it.each<{ beside: string; survivors: Parameters<typeof rejectProposals>[1]; becomes: string }>([
    { beside: 'one later ledger in which it waits', survivors: [whole(waits)], becomes: 'waits on' },
    { beside: 'the very ledger of the backup', survivors: [whole(backup)], becomes: 'waits on' },
    {
      beside: 'that, and one of before it was proposed',
      survivors: [whole(waits), whole(earlier)],
      becomes: 'waits on',
    },
    {
      beside: 'that, and one that is damaged in which it waits',
      survivors: [whole(waits), damaged(waits)],
      becomes: 'waits on',
    },
    { beside: 'no ledger', survivors: [], becomes: 'is rejected' },
    { beside: 'one in which it was rejected', survivors: [whole(rejected)], becomes: 'is rejected' },
    {
      beside: 'one in which it waits, and one in which it was rejected',
      survivors: [whole(waits), whole(rejected)],
      becomes: 'is rejected',
    },
    {
      beside: 'one in which it waits, and a damaged one that has it rejected',
      survivors: [whole(waits), damaged(rejected)],
      becomes: 'is rejected',
    },
    {
      beside: 'one that may have lost that it was rejected',
      survivors: [damaged(waits)],
      becomes: 'is rejected',
    },
    { beside: 'one of before it was proposed', survivors: [whole(earlier)], becomes: 'is rejected' },
  ])('$beside, $becomes', ({ survivors, becomes }) => {
    const events = rejectProposals(backup, survivors, backup.head.sequence);
    expect(events.map(({ type }) => type)).toEqual(becomes === 'waits on' ? [] : ['change-rejected']);
  });
});
