/**
 * Fleet CVE-2026-46370, Netskope CVE-2024-7401: one enrollment secret for the whole organization, kept in plain text
 * and handed out by an API, enrolled any number of machines for any user, and could not be taken back. Here an attacker
 * has a copy of everything that the control plane keeps (the ledger's file, its backup, its state), a token that was
 * used, and a token of another user. None enrolls anything; nor does a good token enroll for another user or role.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createKeyAndRequest } from '../../certs/request.ts';
import { formatEnrollmentToken, parseEnrollmentToken } from '../../src/contract/enrollment-token.ts';
import type { UserName } from '../../src/domain/ids.ts';
import { enroll } from '../../src/enrollment/enroll.ts';
import { openEnrollmentLab, valueOf } from '../enrollment/enrollment-lab.ts';
import type { EnrollmentLab } from '../enrollment/enrollment-lab.ts';

const now = Math.floor(Date.now() / 1000);
let lab: EnrollmentLab;
beforeAll(async () => {
  lab = await openEnrollmentLab();
});
afterAll(() => lab.close());

const enrollWith = async (token: string) => {
  const { csrPem } = await createKeyAndRequest();
  return enroll(lab.store, lab.signer, { token, csrPem, now });
};
const secretOf = (token: string): string => parseEnrollmentToken(token)?.secret ?? '';

describe('what the control plane keeps', () => {
  it('holds no secret, in no file and no state, before and after a token is used', async () => {
    const tokens = [await lab.newToken(), await lab.newToken()] as const;
    valueOf(await enrollWith(tokens[0]));
    const folder = dirname(lab.ledgerPath);
    const files = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'latin1'));
    const kept = [...files, JSON.stringify([...lab.store.state.enrollmentTokens.values()])].join('\n');
    for (const token of tokens) {
      expect(kept).toContain(parseEnrollmentToken(token)?.id);
      expect(kept).not.toContain(secretOf(token));
      expect(kept).not.toContain(Buffer.from(secretOf(token), 'base64url').toString('latin1'));
    }
  });

  it('enrolls nothing by the hashes in it', async () => {
    const token = await lab.newToken();
    const parts = parseEnrollmentToken(token) ?? { rootFingerprint: '', id: '', secret: '' };
    const secret = lab.store.state.enrollmentTokens.get(parts.id)?.secretHash ?? '';
    expect(await enrollWith(formatEnrollmentToken({ ...parts, secret }))).toMatchObject({
      code: 'enrollment-token-invalid',
    });
    expect(await enrollWith(token)).not.toHaveProperty('code');
  });
});

describe('an enrollment token', () => {
  it('enrolls one machine, and the second time nobody', async () => {
    const token = await lab.newToken();
    valueOf(await enrollWith(token));
    expect(await enrollWith(token)).toMatchObject({ code: 'enrollment-token-invalid' });
  });

  it('enrolls for its own user and role, whatever the request wishes', async () => {
    const token = await lab.newToken({ user: 'bob@example.org' });
    const enrolled = valueOf(await enrollWith(token));
    expect(lab.store.state.devices.get(enrolled.device)).toMatchObject({
      user: 'bob@example.org',
      role: 'laptop',
    });
  });

  it("is used up for its own user only, by the ledger's word too", async () => {
    const token = await lab.newToken();
    const event = {
      type: 'device-enrolled',
      device: valueOf(await enrollWith(await lab.newToken())).device,
      enrollmentToken: parseEnrollmentToken(token)?.id ?? '',
      user: 'mallory@example.org' as UserName,
      role: 'laptop',
      certificate: { serial: '1', thumbprint: 'A'.repeat(43), notAfter: now + 60 },
    } as const;
    const result = await lab.store.commit('device:test', () => ({ events: [event], value: {} }));
    expect(result).toMatchObject({ code: 'enrollment-token-invalid' });
  });

  it('ends by itself', async () => {
    const token = await lab.newToken({ ttlSeconds: 60, now: now - 60 });
    expect(await enrollWith(token)).toMatchObject({ code: 'enrollment-token-invalid' });
  });
});
