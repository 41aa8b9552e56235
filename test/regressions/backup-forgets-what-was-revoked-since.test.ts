/**
 * smallstep/certificates#606 at the scale of a whole installation: yesterday's backup is restored, and with it comes back
 * every laptop, API key and administrator that was thrown out today; whoever is thrown out has only to wait for, or to
 * cause, a restore. Here the ledger that went on after the backup is asked wherever any of it survived, also cut off
 * or damaged: what it took from someone stays taken, and nothing that it gave is given. One-time tokens of the backup
 * enroll nobody any more, since nobody can tell which of them were used; and a change that a second person rejected since
 * waits for approval again nowhere.
 */
import { cp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Lock, Unlock } from '../../src/backup/age-file.ts';
import { restoreBackup } from '../../src/backup/restore-backup.ts';
import type { Restored } from '../../src/backup/restore-backup.ts';
import { createApiKey } from '../../src/control/api/api-key.ts';
import type { Role } from '../../src/domain/administration.ts';
import type { ControlEvent } from '../../src/domain/events.ts';
import type { DeviceId, UserName } from '../../src/domain/ids.ts';
import type { Administrator } from '../../src/domain/resources.ts';
import { append, backUp, keyPair, openLedger, silent } from '../backup/backup-lab.ts';
import { makeInstallation } from '../control/installation.ts';
import type { Installation } from '../control/installation.ts';
import { certificate, deviceState, enrolled, networkPut, tokenCreated } from '../ledger/samples.ts';

let made: Installation;
let file: string;
let directory: string;
let key: { lock: Lock; unlock: Unlock };
const helpdesk = createApiKey({ name: 'helpdesk', role: 'helpdesk' });
beforeEach(async () => {
  made = await makeInstallation();
  file = join(made.directory, 'backup.age');
  directory = join(made.directory, 'restored');
  key = await keyPair();
  await append(
    made,
    ...['kept', 'stolen', 'lost', 'infected', 'gone-before'].flatMap((name) => [
      tokenCreated(name),
      enrolled(name, name),
    ]),
    deviceState('gone-before', 'revoked'),
    tokenCreated('unused'),
    helpdesk.event,
    networkPut('finance'),
  );
  await backUp(made, file, key.lock);
});
afterEach(() => made.remove());

const proposed = (id: string): ControlEvent => ({
  type: 'change-proposed',
  id,
  expiresAt: Math.floor(Date.now() / 1000) + 86_400,
  changes: [{ resource: { kind: 'Network', name: id, attach: { direct: true } } }],
});

const restore = (...survivors: readonly string[]): Promise<Restored> =>
  restoreBackup({ file, unlock: key.unlock, directory, survivors, now: Date.now(), progress: silent });

const statesOf = ({ state }: Restored): Record<string, string> =>
  Object.fromEntries([...state.devices.values()].map((device) => [device.id, device.state]));

async function lifeGoesOn(): Promise<void> {
  await append(
    made,
    deviceState('stolen', 'revoked'),
    deviceState('lost', 'lost'),
    deviceState('infected', 'quarantined'),
    { type: 'api-key-revoked', id: helpdesk.event.id },
    enrolled('intruder', 'unused'),
    { type: 'sign-in-ended', id: 'evening', user: 'alice@example.org' as UserName, reason: 'sign-out' },
    { type: 'device-certificate-renewed', device: 'kept' as DeviceId, certificate: certificate('renewed') },
    networkPut('backdoor'),
  );
}

describe('what was revoked after the backup', () => {
  it('stays revoked, where the old data directory is named, and what was granted is not', async () => {
    await lifeGoesOn();
    const old = join(made.directory, 'old');
    await cp(made.data, old, { recursive: true });
    await rm(made.data, { recursive: true });
    const restored = await restore(old);
    expect(restored.survivors).toEqual([join(old, 'ledger.db')]);
    expect(restored.problems).toEqual([]);
    expect(statesOf(restored)).toEqual({
      kept: 'active',
      stolen: 'revoked',
      lost: 'lost',
      infected: 'quarantined',
      'gone-before': 'revoked',
    });
    expect(restored.state.apiKeys.get(helpdesk.event.id)?.revokedAt).toBeGreaterThan(0);
    expect(restored.state.enrollmentTokens.get('unused')?.withdrawnAt).toBeGreaterThan(0);
    expect([...restored.state.endedSignIns.keys()]).toEqual(['evening']);
    // The laptop threw its older certificate away.
    expect(restored.state.devices.get('kept' as DeviceId)?.certificates).toContainEqual(
      certificate('renewed'),
    );
    expect([...restored.state.networks.keys()]).toEqual(['finance']);
    expect(restored.enrolledSince.map(({ id }) => id)).toEqual(['intruder']);
    expect(restored.changedSince).toEqual(['Network backdoor']);
  });

  it('does not wait for approval again, where it was rejected or nobody can tell, and waits on where it did', async () => {
    const old = join(made.directory, 'old');
    await append(made, ...['rejected', 'approved', 'waiting'].map(proposed));
    await backUp(made, file, key.lock);
    await append(
      made,
      { type: 'change-rejected', id: 'rejected', reason: 'opens payroll to everyone' },
      { type: 'change-approved', id: 'approved' },
      networkPut('approved'),
      proposed('later'),
    );
    await cp(made.data, old, { recursive: true });
    const told = await restore(old);
    expect([...told.state.proposals.keys()]).toEqual(['waiting']);
    expect([...told.state.networks.keys()]).toEqual(['finance']);
    expect(told.changedSince).toEqual(['Network approved']);
    await rm(directory, { recursive: true });
    // One whose end is cut off cannot tell what was rejected last.
    await rm(join(old, 'ledger.db.head'));
    await rm(made.data, { recursive: true });
    const cut = await restore(old);
    expect([...cut.state.proposals.keys()]).toEqual([]);
    await rm(directory, { recursive: true });
    const untold = await restore();
    expect([...untold.state.proposals.keys()]).toEqual([]);
    expect(untold.appended.filter(({ type }) => type === 'change-rejected')).toHaveLength(3);
  });

  it('stays revoked without being told where: the directory of the backup is asked by itself', async () => {
    await lifeGoesOn();
    const restored = await restore();
    expect(restored.survivors).toEqual([join(made.data, 'ledger.db')]);
    expect(statesOf(restored)).toMatchObject({ stolen: 'revoked', lost: 'lost', kept: 'active' });
  });

  it('stays revoked by what a server saw of a ledger in Redis', async () => {
    const early = join(made.directory, 'early');
    await cp(made.data, early, { recursive: true });
    await lifeGoesOn();
    await cp(join(made.data, 'ledger.db'), join(early, 'ledger-replica.db'));
    await rm(made.data, { recursive: true });
    const restored = await restore(early);
    expect(statesOf(restored)).toMatchObject({ stolen: 'revoked', lost: 'lost', kept: 'active' });
  });

  it('leaves administrators thrown out, and those in force who were not', async () => {
    const administrator = (name: string, role: Role, ...members: string[]): ControlEvent => ({
      type: 'resource-put',
      resource: { kind: 'Administrator', name, role, members },
    });
    await append(
      made,
      administrator('owners', 'owner', 'alice', 'mallory'),
      administrator('demoted', 'owner', 'bob'),
      administrator('promoted', 'soc', 'carol'),
      administrator('moved', 'helpdesk', 'dave'),
      administrator('emptied', 'security', 'mallory'),
      administrator('deleted', 'owner', 'mallory'),
    );
    file = join(made.directory, 'second.age');
    await backUp(made, file, key.lock);
    await append(
      made,
      administrator('owners', 'owner', 'alice', 'erin'),
      administrator('demoted', 'auditor', 'bob'),
      administrator('promoted', 'owner', 'carol'),
      administrator('moved', 'soc', 'dave'),
      administrator('emptied', 'security', 'erin'),
      { type: 'resource-deleted', kind: 'Administrator', name: 'deleted' },
    );
    const { state } = await restore();
    expect([...state.administrators.values()]).toEqual([
      { kind: 'Administrator', name: 'owners', role: 'owner', members: ['alice'] },
      { kind: 'Administrator', name: 'demoted', role: 'auditor', members: ['bob'] },
      { kind: 'Administrator', name: 'promoted', role: 'soc', members: ['carol'] },
    ]);
  });

  it('takes no administrator away because of a ledger of which less is left than the backup has', async () => {
    const resource: Administrator = {
      kind: 'Administrator',
      name: 'owners',
      role: 'owner',
      members: ['alice'],
    };
    await append(made, { type: 'resource-put', resource });
    file = join(made.directory, 'second.age');
    await backUp(made, file, key.lock);
    await rm(made.data, { recursive: true });
    await writeFile(join(made.directory, 'text'), 'no ledger');
    const { state } = await restore(join(made.directory, 'text'));
    expect([...state.administrators.values()]).toEqual([resource]);
  });

  it('is what the restored ledger says to whoever opens it', async () => {
    await lifeGoesOn();
    const restored = await restore();
    const ledger = openLedger({ ...made, data: directory });
    expect(await ledger.head()).toEqual(restored.state.head);
    const reasons: string[] = [];
    for await (const { actor, data } of ledger.read(0)) if (actor === 'postern:restore') reasons.push(data);
    await ledger.close();
    expect(reasons.join('\n')).toContain(
      '"device":"stolen","state":"revoked","reason":"test (revoked by test after the backup)"',
    );
  });

  it('stays revoked as far as a damaged ledger can be read, and it is said how far', async () => {
    await lifeGoesOn();
    const ledger = openLedger(made);
    const { sequence } = await ledger.head();
    await ledger.close();
    // The last entry is altered in the file; all before it verify.
    const path = join(made.data, 'ledger.db');
    const bytes = await readFile(path);
    const at = bytes.indexOf('"backdoor"');
    const handle = await open(path, 'r+');
    await handle.write(Buffer.from('"Backdoor"'), 0, 10, at);
    await handle.close();
    const restored = await restore();
    expect(statesOf(restored)).toMatchObject({ stolen: 'revoked', lost: 'lost', infected: 'quarantined' });
    expect(restored.problems).toEqual([
      `ledger entry ${sequence} was altered: its hash differs; 0 of 1 entries from there on were kept`,
    ]);
  });

  it('is not read as whole from a ledger that was cut off', async () => {
    const early = join(made.directory, 'early');
    await cp(made.data, early, { recursive: true });
    await lifeGoesOn();
    await cp(join(made.data, 'ledger.db.head'), join(early, 'ledger.db.head'));
    await rm(made.data, { recursive: true });
    const restored = await restore(early);
    expect(restored.problems[0]).toMatch(/ends at entry \d+, and entry \d+ was acknowledged$/);
    expect(statesOf(restored)).toMatchObject({ stolen: 'active', 'gone-before': 'revoked' });
  });

  it('is not read from the ledger of another installation, or from none', async () => {
    const other = await makeInstallation();
    try {
      await expect(restore(other.data)).rejects.toThrow('this is the ledger of another installation');
    } finally {
      await other.remove();
    }
    await expect(restore(join(made.directory, 'nowhere'))).rejects.toThrow(
      'there is no ledger to keep revocations from',
    );
    await writeFile(join(made.directory, 'text'), 'no ledger');
    const restored = await restore(join(made.directory, 'text'));
    expect(restored.problems[0]).toContain('is damaged at entry 0');
  });
});
