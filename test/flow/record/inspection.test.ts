import { describe, expect, test } from 'vitest';
import type { FlowFacts } from '../../../src/domain/flow.ts';
import { problemsOf, recordsIn } from '../../lab/flow-records.ts';
import { app } from '../../lab/resources.ts';
import { makeFlowDirectory, openRecorder, whenWritten } from '../flow-directory.ts';
import type { SpoolingFlowRecorder } from '../../../src/flow/recorder.ts';
import { allow, allowedFacts, answered, deny, refused, request } from '../samples.ts';

const inspected = app({ inspect: ['waf', 'dlp'] });
const facts = (more: Partial<FlowFacts>): FlowFacts => ({ ...allowedFacts, app: inspected, ...more });
const connect = { ...request, method: 'CONNECT', path: '' };

/** What the record says of each inspector: the reason why it did not look, or what it did. */
async function inspectionOf(record: (recorder: SpoolingFlowRecorder) => void): Promise<object[]> {
  const directory = makeFlowDirectory();
  const recorder = openRecorder(directory);
  record(recorder);
  await whenWritten(recorder);
  const records = recordsIn(directory);
  expect(records.flatMap(problemsOf)).toEqual([]);
  return records.map(({ unmapped }) => unmapped.postern['inspection'] as object);
}

const not = (why: string) => ({ state: 'not-done', why });
const malware = not('not-configured');

describe('a flow record says what was not inspected, and why', () => {
  test('of a flow that an application does not ask to inspect', async () => {
    const { app: _, ...withoutApp } = allowedFacts;
    expect(
      await inspectionOf((recorder) => {
        recorder.request(facts({ app: app() }), answered);
        recorder.request(withoutApp, refused);
        recorder.authentication(facts({}), answered);
      }),
    ).toEqual(
      ['not-configured', 'no-application', 'no-application'].map((why) => ({
        waf: not(why),
        malware: not(why),
        dlp: not(why),
      })),
    );
  });

  test('of one that was refused before, and of one that was let through and none ran', async () => {
    expect(
      await inspectionOf((recorder) => {
        recorder.request(facts({ decision: deny }), refused);
        recorder.request(facts({ decision: allow }), { ...refused, refusal: 'inspection-unavailable' });
      }),
    ).toEqual([
      { waf: not('refused-before'), malware, dlp: not('refused-before') },
      { waf: not('unavailable'), malware, dlp: not('unavailable') },
    ]);
  });

  test('of tunnels: of bytes, of requests with records of their own, and behind an upgrade', async () => {
    expect(
      await inspectionOf((recorder) => {
        recorder.tunnelOpened(facts({ app: { ...inspected, protocol: 'ssh' }, request: connect }));
        recorder.tunnelOpened(facts({ request: connect }));
        recorder.tunnelOpened(facts({ request }));
      }),
    ).toEqual(
      [
        ['opaque', 'too-few'],
        ['in-its-requests', 'in-its-requests'],
        ['upgraded', 'upgraded'],
      ].map(([why = '', first = '']) => ({ waf: not(why), malware, dlp: not(why), protocol: not(first) })),
    );
  });

  test('of tunnels whose first bytes nobody said anything of, or that did not come so far', async () => {
    const protocols = await inspectionOf((recorder) => {
      recorder.tunnelOpened(facts({ app: app({ protocol: 'tcp' }), request: connect }));
      recorder.tunnelOpened(
        facts({ app: app({ protocol: 'tcp', protocolCheck: { expect: 'smb' } }), request: connect }),
      );
      recorder.tunnelClosed(
        facts({ app: app({ protocol: 'rdp' }), request: connect, decision: deny }),
        refused,
      );
      const { app: _, ...withoutApp } = allowedFacts;
      recorder.tunnelClosed({ ...withoutApp, request: connect }, refused);
    });
    expect(protocols.map((one) => (one as { protocol: object }).protocol)).toEqual(
      ['not-configured', 'too-few', 'refused-before', 'no-application'].map(not),
    );
  });

  test('beside what others did and found, by names that are bounded', async () => {
    const found = Array.from({ length: 100 }, (_, index) => `rule-${index}-${'x'.repeat(100)}`);
    const [first, second] = await inspectionOf((recorder) => {
      const seen = facts({
        inspections: { waf: { state: 'done' }, dlp: { state: 'partly', why: 'too-large' } },
      });
      recorder.request(seen, answered);
      recorder.request(facts({ inspections: { waf: { state: 'done', found } } }), answered);
    });
    expect(first).toEqual({ waf: { state: 'done' }, malware, dlp: { state: 'partly', why: 'too-large' } });
    const { waf } = second as { waf: { found: string[] } };
    expect(waf.found).toHaveLength(32);
    expect(Math.max(...waf.found.map(({ length }) => length))).toBe(64);
  });
});
