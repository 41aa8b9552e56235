/**
 * A gateway wrote rich records for what it let through and poor ones for what it refused (pomerium#5673): no user, no
 * device, no policy. An attacker with a stolen laptop could try every application in turn, and the SOC saw refusals that
 * belonged to nobody. A refusal is the record that matters most; it must have every field that an allowed flow has.
 */
import { expect, test } from 'vitest';
import { recordsIn } from '../lab/flow-records.ts';
import type { ReadRecord } from '../lab/flow-records.ts';
import { makeFlowDirectory, openRecorder, whenWritten } from '../flow/flow-directory.ts';
import { allowedFacts, answered, deniedFacts, refused } from '../flow/samples.ts';

/** Paths of all members, those in lists without their index. */
function pathsOf(value: unknown, at = ''): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => pathsOf(item, `${at}[]`));
  if (value === null || typeof value !== 'object') return [at];
  return Object.entries(value).flatMap(([name, member]) => [
    `${at}/${name}`,
    ...pathsOf(member, `${at}/${name}`),
  ]);
}

/** Only a flow that went somewhere has the address that was dialled; nothing else may be missing. */
const ofDialling = ['/dst_endpoint/ip', '/unmapped/postern/upstream/'];

function missingIn(denied: ReadRecord | undefined, allowed: ReadRecord | undefined): string[] {
  const present = new Set(pathsOf(denied));
  return pathsOf(allowed).filter(
    (path) => !present.has(path) && !ofDialling.some((expected) => path.startsWith(expected)),
  );
}

test('a denied request has every field that an allowed one has', async () => {
  const directory = makeFlowDirectory();
  const recorder = openRecorder(directory);
  recorder.request(allowedFacts, answered);
  recorder.request(deniedFacts, refused);
  await whenWritten(recorder);
  const [allowed, denied] = recordsIn(directory);
  expect(pathsOf(allowed).length).toBeGreaterThan(80);
  expect(missingIn(denied, allowed)).toEqual([]);
});

test('a denied tunnel has every field that a closed one has', async () => {
  const directory = makeFlowDirectory();
  const recorder = openRecorder(directory);
  recorder.tunnelOpened(allowedFacts);
  recorder.tunnelClosed(allowedFacts, answered);
  recorder.tunnelClosed(deniedFacts, refused);
  await whenWritten(recorder);
  const [, closed, denied] = recordsIn(directory);
  expect(missingIn(denied, closed)).toEqual([]);
});

test('a denied flow says who, with which device and certificate, in which posture, and which policy refused', async () => {
  const directory = makeFlowDirectory();
  const recorder = openRecorder(directory);
  recorder.request(allowedFacts, answered);
  recorder.request(deniedFacts, refused);
  await whenWritten(recorder);
  const [allowed, denied] = recordsIn(directory).map(({ unmapped }) => unmapped.postern);
  for (const field of [
    'user',
    'device',
    'certificateSerial',
    'posture',
    'postureAgeSeconds',
    'app',
    'network',
    'policyVersion',
    'connection',
  ]) {
    expect(denied?.[field]).not.toBeNull();
    expect(denied?.[field]).toEqual(allowed?.[field]);
  }
  expect(denied).toMatchObject({
    policies: ['no-contractors'],
    reasons: ['policy-forbids'],
    refusal: 'denied',
  });
});
