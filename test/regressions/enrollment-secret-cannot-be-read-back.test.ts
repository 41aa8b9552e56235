/**
 * Fleet CVE-2026-46370 and Netskope CVE-2024-7401: the enrollment secret was one for the whole organization, could be
 * read through the API by whoever administered a part of it, and could not be withdrawn. Ours is for one device of one
 * user, is shown once, and rests as a hash: in the ledger, in its file on disk, in its snapshot and in the log there is
 * nothing that enrolls. The same holds for API keys.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createKeyAndRequest } from '../../certs/request.ts';
import { startControlLab } from '../control/control-lab.ts';

it('leaves no secret of an enrollment token or API key on disk, in the log or in an answer', async () => {
  const lab = await startControlLab();
  try {
    const token = await lab.token('alice@example.org');
    const id = token.split('.')[2] ?? '';
    const { csrPem: csr } = await createKeyAndRequest();
    await lab.ask('POST', '/v1/enroll', { key: null, body: { token: `${token.slice(0, -1)}x`, csr } });
    const enrolled = await lab.ask('POST', '/v1/enroll', { key: null, body: { token, csr } });
    expect(enrolled.status).toBe(200);
    const refused = await lab.ask('POST', '/v1/enroll', { key: null, body: { token, csr } });
    expect(refused.status).toBe(403);

    const files = await readdir(lab.directory, { recursive: true, withFileTypes: true });
    const contents = await Promise.all(
      files
        .filter((file) => file.isFile())
        .map((file) => readFile(join(file.parentPath, file.name), 'latin1')),
    );
    // What is searched does hold the token's id: the search would find the secret.
    expect(contents.some((text) => text.includes(id))).toBe(true);
    expect(lab.logged()).toContain('enrollment-token-invalid');
    for (const secret of [token.split('.').at(-1) ?? '', lab.apiKey.split('.').at(-1) ?? ''])
      for (const text of [...contents, lab.logged(), enrolled.text, refused.text])
        expect(text).not.toContain(secret);
  } finally {
    await lab.close();
  }
});

it('lets a token enroll for its own user and role only, and has no route that lists tokens', async () => {
  const lab = await startControlLab();
  try {
    const token = await lab.token('alice@example.org');
    const { csrPem: csr } = await createKeyAndRequest();
    const asBob = await lab.ask('POST', '/v1/enroll', {
      key: null,
      body: { token, csr, user: 'bob@example.org' },
    });
    expect(asBob).toMatchObject({ status: 400, body: { problems: ['body.user: unknown key'] } });
    const path = '/v1/enrollment-tokens';
    expect(await lab.ask('GET', path)).toMatchObject({ status: 405 });
    expect(await lab.ask('GET', `${path}/${token.split('.')[2]}`)).toMatchObject({ status: 404 });
    expect(await lab.ask('POST', '/v1/enroll', { key: null, body: { token, csr } })).toMatchObject({
      status: 200,
      body: { user: 'alice@example.org' },
    });
  } finally {
    await lab.close();
  }
});
