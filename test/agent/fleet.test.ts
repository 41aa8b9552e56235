import { chmod, mkdtemp, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { AgentError } from '../../agent/agent-error.ts';
import { systemClock } from '../../agent/clock.ts';
import { message } from '../../agent/messages.ts';
import { applyFleetSettings, loadFleetSettings } from '../../agent/state/fleet-file.ts';
import { loadSettings } from '../../agent/state/settings-file.ts';
import { statePaths } from '../../agent/state/state-directory.ts';
import { formatEnrollmentToken } from '../../src/contract/enrollment-token.ts';
import { makeOrganization } from '../lab/pki.ts';
import type { Organization } from '../lab/pki.ts';
import { startControlServer } from './lab/control-server.ts';
import type { ControlServer } from './lab/control-server.ts';

let parent: string;
let organization: Organization;
let control: ControlServer;
let file: string;
let tokenFile: string;
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'postern-fleet-'));
  file = join(parent, 'agent.yaml');
  tokenFile = join(parent, 'enrollment-token');
  organization = await makeOrganization();
  control = await startControlServer({ organization });
});
afterEach(async () => {
  await control.close();
  await rm(parent, { recursive: true, force: true });
});

const state = (): string => join(parent, 'state');
const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
const writeFleet = (text: string): Promise<void> => writeFile(file, text, { mode: 0o644 });
const writeToken = (mode = 0o600): Promise<void> =>
  writeFile(
    tokenFile,
    `${formatEnrollmentToken({ rootFingerprint: organization.rootFingerprint, id: 'a'.repeat(16), secret: 'b'.repeat(43) })}\n`,
    { mode },
  );
const apply = () => applyFleetSettings(loadFleetSettings(file), state(), systemClock);

/** The sentence that a person reads of what is refused. */
async function refusal(act: () => unknown): Promise<string> {
  try {
    await act();
  } catch (error) {
    if (error instanceof AgentError) return message('en', error.key, error.values);
    throw error;
  }
  return 'accepted';
}

it('enrolls a laptop that was given settings and a token, deletes the token, and asks for no other', async () => {
  await writeFleet(
    `control: ${control.url}\nenrollmentTokenFile: ${tokenFile}\nproxyPort: 8200\nsignIn: device-code\nintercept: loopback\n`,
  );
  await writeToken();
  expect(await apply()).toEqual({ tokenStays: false });
  expect(loadSettings(statePaths(state()).settings)).toMatchObject({
    control: control.url,
    device: 'd-laptop',
    proxyPort: 8200,
    signIn: 'device-code',
    intercept: 'loopback',
  });
  expect(await exists(tokenFile)).toBe(false);
  expect(await apply()).toEqual({ tokenStays: false });
  expect(control.requests.map(({ path }) => path)).toEqual(['/v1/enroll']);
});

it('keeps what the fleet decides where every command finds it, and lets the rest be', async () => {
  await writeFleet(`control: ${control.url}\nenrollmentTokenFile: ${tokenFile}\nproxyPort: 8200\n`);
  await writeToken();
  await apply();
  const before = loadSettings(statePaths(state()).settings);
  await writeFleet('# the port has moved\nproxyPort: 8201\n');
  await apply();
  expect(loadSettings(statePaths(state()).settings)).toEqual({ ...before, proxyPort: 8201 });
  await writeFleet('# nothing is said here\n');
  await apply();
  expect(loadSettings(statePaths(state()).settings)).toEqual({ ...before, proxyPort: 8201 });
});

it('keeps a token that could not be used, and leaves nothing of the attempt', async () => {
  await writeFleet(`control: ${control.url}\nenrollmentTokenFile: ${tokenFile}\n`);
  await writeToken();
  control.refuse('/v1/enroll', 'enrollment-token-invalid');
  expect(await refusal(apply)).toContain('(enrollment-token-invalid)');
  expect([await exists(tokenFile), await readdir(state())]).toEqual([true, []]);
});

it('sends no token that others could have read, and says what is missing', async () => {
  await writeFleet(`control: ${control.url}\nenrollmentTokenFile: ${tokenFile}\n`);
  expect(await refusal(apply)).toContain(`no enrollment token in ${tokenFile}`);
  await writeToken(0o644);
  await chmod(tokenFile, 0o644);
  expect(await refusal(apply)).toContain(`${tokenFile} is open to other users`);
  await writeFleet('proxyPort: 8200\n');
  expect(await refusal(apply)).toContain('not enrolled');
  expect(control.requests).toEqual([]);
});

it.each([
  ['control: https://c.example.org\nproxyport: 1\n', 'line 2: proxyport: unknown key'],
  ['\n# a comment\nproxyPort: 70000\n', 'line 3: proxyPort: must be <= 65535'],
  ['control: http://c.example.org\n', 'line 1: control: '],
  ['signIn: maybe\nunsafePosture: /x\n', 'line 2: unsafePosture: unknown key'],
  ['proxyPort: 1\nproxyPort: 2\n', 'line 2: Map keys must be unique'],
  ['enrollmentTokenFile: token\n', 'line 1: enrollmentTokenFile: '],
  ['- control\n', 'must be object'],
  ['proxyPort: [1\n', 'line '],
  ['control: &a https://c.example.org\nsignIn: !!js/function "x"\n', 'line 2: '],
])('refuses %j by file, line and key', async (text, expected) => {
  await writeFleet(text);
  const said = await refusal(() => loadFleetSettings(file));
  expect(said).toContain(`${file} is not valid`);
  expect(said).toContain(expected);
});

it('follows no file that others could have written, nor one behind a link, nor none', async () => {
  await writeFleet('proxyPort: 8200\n');
  expect(loadFleetSettings(file)).toEqual({ proxyPort: 8200 });
  await chmod(file, 0o646);
  expect(await refusal(() => loadFleetSettings(file))).toContain('open to other users');
  await chmod(file, 0o644);
  await symlink(file, join(parent, 'link'));
  expect(await refusal(() => loadFleetSettings(join(parent, 'link')))).toContain('cannot be read');
  expect(await refusal(() => loadFleetSettings(join(parent, 'none')))).toContain('cannot be read');
});
