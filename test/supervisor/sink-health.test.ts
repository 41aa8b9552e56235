import { describe, expect, it } from 'vitest';
import type { SinkHealth, SinkSettings } from '../../src/contract/sinks.ts';
import { createHealthBoard } from '../../src/supervisor/sink-health.ts';

const sink = (name: string): SinkSettings => ({
  name,
  type: 'file',
  from: 'now',
  format: 'ocsf',
  path: '/x',
  rotateMegabytes: 1,
});
const health = (name: string, more: Partial<SinkHealth> = {}): SinkHealth => ({
  name,
  type: 'file',
  lagRecords: 0,
  lagSeconds: 0,
  delivered: 0,
  refused: 0,
  problem: undefined,
  ...more,
});

/** `both` is delivered to by two processes, `own` by one. */
function board() {
  const resolved = (...names: readonly string[]) => names.map((name) => ({ settings: sink(name) }));
  return createHealthBoard(
    [sink('both'), sink('own'), sink('none')],
    [
      { name: 'sinks', sinks: resolved('both', 'own') },
      { name: 'access-sinks', sinks: resolved('both') },
    ],
  );
}

describe('how a sink does that two processes deliver to', () => {
  it('is what both say together', () => {
    const { heard } = board();
    heard('sinks', [
      health('both', { lagRecords: 3, lagSeconds: 5, delivered: 10, refused: 1 }),
      health('own', { delivered: 7 }),
    ]);
    expect(
      heard('access-sinks', [
        health('both', { lagRecords: 2, lagSeconds: 9, delivered: 20, refused: 2, problem: 'no way' }),
      ]),
    ).toEqual([
      health('both', {
        lagRecords: 5,
        lagSeconds: 9,
        delivered: 30,
        refused: 3,
        problem: 'access log: no way',
      }),
      health('own', { delivered: 7 }),
      health('none'),
    ]);
  });

  it.each([
    [undefined, undefined, undefined],
    ['away', 'away', 'away'],
    ['away', undefined, 'flows: away'],
    ['away', 'full', 'flows: away; access log: full'],
  ])('names which of them fails: %s and %s', (flows, access, problem) => {
    const { heard } = board();
    heard('sinks', [health('both', { problem: flows }), health('own')]);
    expect(heard('access-sinks', [health('both', { problem: access })])[0]?.problem).toBe(problem);
  });

  it('is not known while one of them says nothing, or has ended', () => {
    const { heard } = board();
    const names = (sinks: readonly SinkHealth[]) => sinks.map(({ name }) => name);
    expect(names(heard('sinks', [health('both'), health('own')]))).toEqual(['own', 'none']);
    expect(names(heard('access-sinks', [health('both')]))).toEqual(['both', 'own', 'none']);
    expect(names(heard('access-sinks', undefined))).toEqual(['own', 'none']);
  });

  it('of one process is what that one says, in its words', () => {
    const { heard } = board();
    expect(heard('sinks', [health('both'), health('own', { problem: 'away' })])[0]?.problem).toBe('away');
  });
});
