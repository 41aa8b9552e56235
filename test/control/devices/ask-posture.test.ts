import { afterEach, beforeEach, expect, it } from 'vitest';
import { readChecks } from '../../../src/domain/posture.ts';
import { linesIn } from '../../lab/flow-records.ts';
import { startControlLab } from '../control-lab.ts';
import type { ControlLab, Identity } from '../control-lab.ts';
import { join } from 'node:path';

let lab: ControlLab;
let laptop: Identity & { readonly device: string };
const heard: string[] = [];
beforeEach(async () => {
  heard.length = 0;
  lab = await startControlLab();
  lab.postureRequests.listen((device) => void heard.push(device));
  laptop = await lab.enroll('alice@example.org');
});
afterEach(() => lab.close());

const report = (diskEncrypted: boolean) => ({
  ageSeconds: 0,
  os: 'linux',
  osVersion: '13',
  agentVersion: '0.1.0',
  checks: readChecks({ diskEncrypted }),
  reasons: { diskEncrypted: 'as the lab says' },
});
const say = (diskEncrypted: boolean) =>
  lab.ask('POST', '/v1/device/token', {
    key: null,
    client: laptop,
    body: { posture: report(diskEncrypted) },
  });
/** The laptop measures itself each time that its gateway is asked to ask it. */
const answerWith = (diskEncrypted: boolean): (() => void) =>
  lab.postureRequests.listen((device) => {
    if (device === laptop.device) void say(diskEncrypted);
  });
const askNow = (body: object = {}, device = laptop.device) =>
  lab.ask('POST', `/v1/devices/${device}/posture`, { body });

it('asks a device for its posture, and answers with what it says now and when that came', async () => {
  await say(true);
  answerWith(false);
  const { status, body } = await askNow();
  expect([status, heard]).toEqual([200, [laptop.device]]);
  expect(body).toMatchObject({
    answered: true,
    answeredInMs: expect.any(Number),
    posture: {
      checks: { diskEncrypted: false, secureBoot: 'unknown' },
      reasons: { diskEncrypted: 'as the lab says' },
      reportedAt: expect.any(Number),
    },
  });
  const kept = await lab.ask('GET', `/v1/devices/${laptop.device}/posture`);
  expect(kept.body).toEqual(body.posture);
});

it('takes a second answer that says the same for an answer', async () => {
  await say(true);
  answerWith(true);
  for (let round = 0; round < 2; round += 1) expect((await askNow()).body.answered).toBe(true);
});

it('says that nothing came, with what was said before, and takes no earlier report for an answer', async () => {
  expect((await askNow({ waitSeconds: 0 })).body).toEqual({ answered: false });
  await say(true);
  const { body } = await askNow({ waitSeconds: 1 });
  expect(body).toMatchObject({ answered: false, posture: { checks: { diskEncrypted: true } } });
  expect(body).not.toHaveProperty('answeredInMs');
  expect(heard).toEqual([laptop.device, laptop.device]);
});

it('is no answer for one device what another one says', async () => {
  const other = await lab.enroll('bob@example.org');
  answerWith(true);
  expect((await askNow({ waitSeconds: 0 }, other.device)).body).toEqual({ answered: false });
});

it.each([{ waitSeconds: 31 }, { waitSeconds: -1 }, { waitSeconds: '1' }, { wait: 1 }, []])(
  'asks nobody for %j',
  async (body) => {
    expect(await askNow(body)).toMatchObject({ status: 400, body: { code: 'invalid-input' } });
    expect(heard).toEqual([]);
  },
);

it('does not ask a device that is not let in any more', async () => {
  const path = `/v1/devices/${laptop.device}/state`;
  await lab.ask('POST', path, { body: { state: 'lost', reason: 'stolen' } });
  expect(await askNow()).toMatchObject({ status: 409, body: { code: 'state-final' } });
  expect(heard).toEqual([]);
});

it('is in the access log with who asked, and changes nothing in the ledger', async () => {
  const head = lab.store.state.head.sequence;
  answerWith(true);
  const key = await lab.makeKey({ role: 'soc' });
  const made = lab.store.state.head.sequence;
  expect((await lab.ask('POST', `/v1/devices/${laptop.device}/posture`, { key, body: {} })).status).toBe(200);
  // The first posture makes the device active; asking itself is no event.
  expect([made, lab.store.state.head.sequence - made]).toEqual([head + 1, 1]);
  expect(JSON.parse(linesIn(join(lab.directory, 'access')).at(-1) ?? '')).toMatchObject({
    actor: { user: { name: 'api-key:soc-1' } },
    api: { operation: 'POST /v1/devices/:id/posture' },
    unmapped: { postern: { count: 1, target: { id: laptop.device } } },
  });
});
