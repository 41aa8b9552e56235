/*
 * The pattern of CVE-2020-24356 the other way around: root asks the agent for something, and the agent's own user, whoever
 * took that over, has laid a link where root will read or write. `postern-agent doctor` of root's would then put
 * /etc/shadow into a bundle that goes to the help desk. Here: root acts as whoever a state directory belongs to, and is
 * itself again only to write where it was told to.
 */
import { execFile } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const main = fileURLToPath(new URL('../../agent/main.ts', import.meta.url));
const isRoot = process.geteuid?.() === 0;
const somebody = 12_345;

let directory: string;
let state: string;
let secret: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'postern-links-'));
  // Anybody may pass through, as through /var/lib; what is in it is for those whom it belongs to.
  chmodSync(directory, 0o755);
  state = join(directory, 'state');
  secret = join(directory, 'secret');
  mkdirSync(state, { mode: 0o700 });
  chownSync(state, isRoot ? somebody : -1, isRoot ? somebody : -1);
  writeFileSync(secret, 'a line of the shadow file\n', { mode: 0o600 });
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const run = (...args: string[]): Promise<{ code: number; text: string }> =>
  new Promise((resolve) => {
    execFile(process.execPath, [main, ...args, '--state', state], { cwd: directory }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), text: `${out}${err}` }),
    );
  });

describe.skipIf(!isRoot)(`root${isRoot ? '' : ' [skipped: needs root: sudo npm test]'}`, () => {
  it('puts nothing into a bundle that the agent could not read itself, and owns the bundle', async () => {
    symlinkSync(secret, join(state, 'agent.yaml'));
    symlinkSync(secret, join(state, 'device.crt'));
    const bundle = join(directory, 'bundle.tar');
    expect(await run('doctor', '--output', bundle)).toMatchObject({ code: 0 });
    const text = readFileSync(bundle, 'latin1');
    expect(text).toContain('EACCES');
    expect(text).not.toContain('shadow file');
    expect([lstatSync(bundle).uid, lstatSync(bundle).mode & 0o777]).toEqual([0, 0o600]);
  });

  it.each(['status', 'why', 'token', 'logout', 'leave'])('follows no link at %s', async (command) => {
    for (const name of ['agent.lock', 'agent.yaml', 'device.key']) symlinkSync(secret, join(state, name));
    const { code, text } = await run(command, ...(command === 'why' ? ['grants'] : []));
    expect(code).not.toBe(0);
    expect(text).not.toContain('shadow');
    expect(readFileSync(secret, 'utf8')).toBe('a line of the shadow file\n');
  });

  it('is told the state of an agent that belongs to another user, as that user would be', async () => {
    expect((await run('status')).text).toContain('not running');
    // Others may write there: refused, root or not.
    chmodSync(state, 0o777);
    expect(await run('status')).toMatchObject({ code: 2 });
  });
});
