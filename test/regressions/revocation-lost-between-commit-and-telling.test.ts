/**
 * netbird#3843, ziti#3769 and step-ca#606 in one: the control plane dies right after it wrote a revocation down and
 * before it told anyone. It comes back, workers say hello, and go on with what they had: a stolen laptop keeps its
 * access until the next change, whenever that is. Here a worker that was serving before is told what it may have missed
 * at its hello, and one that missed more than can be told finds the gap and ends, to be started with the whole state.
 */
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { ControlToWorker } from '../../src/contract/ipc.ts';
import { createRecentEntries } from '../../src/control/store/recent-entries.ts';
import { createWorkerDesk } from '../../src/control/workers/worker-desk.ts';
import { createWorkerFleet } from '../../src/control/workers/worker-fleet.ts';
import type { ControlEvent, LedgerEntry } from '../../src/domain/events.ts';
import { linkEntries } from '../../src/ledger/chain.ts';
import { applyEntry, copyState, emptyState } from '../../src/ledger/fold.ts';
import { LedgerCorrupt } from '../../src/ledger/ledger.ts';
import { createStateFollower } from '../../src/ledger/state-follower.ts';
import { startControlLab } from '../control/control-lab.ts';
import type { ControlLab } from '../control/control-lab.ts';

let lab: ControlLab;
beforeEach(async () => {
  lab = await startControlLab();
});
afterEach(() => lab.close());

/** A control process that has just started: what it sends to a worker that says hello. */
async function greet(
  state: ControlLab['store']['state'],
  entries: readonly LedgerEntry[],
  max?: number,
): Promise<ControlToWorker[]> {
  const sent: ControlToWorker[] = [];
  const recent = createRecentEntries(max);
  recent.add(entries);
  const desk = createWorkerDesk({
    store: { state },
    recent,
    fleet: createWorkerFleet(),
    browsers: () => undefined,
    service: lab.organization.authorities.service,
    startOf: () => ({}) as never,
    send: (_worker, message) => sent.push(message),
    clock: Date.now,
    logger: pino({ level: 'silent' }),
  });
  await desk.receive(1, { type: 'hello' });
  return sent;
}

const grow = (state: ControlLab['store']['state'], events: readonly ControlEvent[]): LedgerEntry[] => {
  const entries = linkEntries(state.head, Date.now(), 'api-key:admin', events);
  for (const entry of entries) applyEntry(state, entry);
  return entries;
};

it('tells a worker that was serving of a revocation that was written before the control plane died', async () => {
  const laptop = await lab.enroll();
  // What the worker had when the control plane died, and what that wrote down with its last breath.
  const worker = createStateFollower(copyState(lab.store.state));
  const state = copyState(lab.store.state);
  const missed = grow(state, [
    { type: 'device-state-changed', device: laptop.device as never, state: 'revoked', reason: 'stolen' },
  ]);
  expect(worker.state.devices.get(laptop.device as never)?.state).toBe('enrolled');

  const sent = await greet(state, missed);
  expect(sent.map(({ type }) => type)).toEqual(['start', 'gateway-certificate', 'assertion-key', 'ledger']);
  worker.apply(sent.findLast((message) => message.type === 'ledger')?.entries ?? []);
  expect(worker.state.devices.get(laptop.device as never)?.state).toBe('revoked');
  expect(worker.state.head).toEqual(state.head);
});

it('lets a worker that missed more than it can be told end, instead of going on with less', async () => {
  const state = emptyState();
  const first = grow(state, [{ type: 'organization-created', domain: 'example.org' }]);
  const worker = createStateFollower(copyState(state));
  const missed = [1, 2, 3, 4].flatMap((count) =>
    grow(state, [{ type: 'resource-put', resource: { kind: 'Group', name: `g${count}`, members: [] } }]),
  );
  const sent = await greet(state, [...first, ...missed], 3);
  const ledger = sent.find((message) => message.type === 'ledger');
  expect(ledger?.entries.map(({ sequence }) => sequence)).toEqual([3, 4, 5]);
  expect(() => worker.apply(ledger?.entries ?? [])).toThrow(LedgerCorrupt);
});

it('says nothing new to a worker that begins with the snapshot', async () => {
  const state = copyState(lab.store.state);
  const entries = grow(state, [
    { type: 'resource-put', resource: { kind: 'Group', name: 'staff', members: [] } },
  ]);
  const sent = await greet(state, entries);
  const worker = createStateFollower(copyState(state));
  worker.apply(sent.findLast((message) => message.type === 'ledger')?.entries ?? []);
  expect(worker.state.head).toEqual(state.head);
});
