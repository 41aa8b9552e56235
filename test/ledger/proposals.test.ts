import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { ControlEvent } from '../../src/domain/events.ts';
import type { Resource } from '../../src/domain/resources.ts';
import { checkEvents } from '../../src/ledger/check-events.ts';
import { readSnapshot, writeSnapshot } from '../../src/ledger/snapshot-file.ts';
import { created, sampleSeconds, stateOf } from './samples.ts';

const week = 7 * 86_400;
const network: Resource = { kind: 'Network', name: 'finance', attach: { direct: true } };
const proposed = (id: string, expiresAt = sampleSeconds + week): ControlEvent => ({
  type: 'change-proposed',
  id,
  expiresAt,
  changes:
    network === undefined ? [] : [{ resource: network }, { kind: 'Policy', name: 'old', was: '"tag"' }],
});

it('keeps a change that waits apart from what is in force, with who proposed it and when', () => {
  const state = stateOf(created, proposed('c1'));
  expect(state.networks.size).toBe(0);
  expect([...state.proposals.values()]).toEqual([
    expect.objectContaining({
      id: 'c1',
      proposedBy: expect.any(String) as unknown,
      expiresAt: sampleSeconds + week,
    }),
  ]);
});

it('forgets it when it is approved or rejected, and expired ones when another comes', () => {
  for (const end of [
    { type: 'change-approved', id: 'c1' },
    { type: 'change-rejected', id: 'c1', reason: 'no' },
  ] as const)
    expect(stateOf(created, proposed('c1'), end).proposals.size).toBe(0);
  const state = stateOf(created, proposed('c1', sampleSeconds - 10), proposed('c2'));
  expect([...state.proposals.keys()]).toEqual(['c2']);
});

it('approves and rejects nothing that does not wait, and takes no name twice', () => {
  const state = stateOf(created, proposed('c1'));
  expect(checkEvents(state, [{ type: 'change-approved', id: 'c2' }])).toMatchObject({ code: 'not-found' });
  expect(checkEvents(state, [{ type: 'change-rejected', id: 'c2', reason: 'no' }])).toMatchObject({
    code: 'not-found',
  });
  expect(checkEvents(state, [proposed('c1')])).toMatchObject({ code: 'conflict' });
  const approved = { type: 'change-approved', id: 'c1' } as const;
  expect(checkEvents(state, [approved, approved])).toMatchObject({ code: 'not-found' });
  expect(checkEvents(state, [approved])).toBeUndefined();
});

it('is in snapshots', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'postern-proposals-'));
  try {
    const state = stateOf(created, proposed('c1'));
    writeSnapshot(join(directory, 'snapshot'), state);
    expect(readSnapshot(join(directory, 'snapshot'))).toEqual(state);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
