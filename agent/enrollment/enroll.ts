import { existsSync } from 'node:fs';
import { parseEnrollmentToken } from '../../src/contract/enrollment-token.ts';
import { AgentError } from '../agent-error.ts';
import type { Clock } from '../clock.ts';
import { callEnroll } from '../control/device-api.ts';
import { connectionFailure, controlAddress, ControlForeign } from '../control/control-client.ts';
import { explainControlError } from '../control/explain-control-error.ts';
import { createDeviceKey } from '../keys/new-key.ts';
import type { KeyPlace } from '../keys/new-key.ts';
import { isTpmKey } from '../keys/tpm-key.ts';
import { checkRoom, writeStateFiles } from '../state/atomic-file.ts';
import { findLockHolder } from '../state/lock.ts';
import { defaultProxyPort, formatSettings } from '../state/settings-file.ts';
import type { AgentSettings, ChosenSettings } from '../state/settings-file.ts';
import { removeSessionCache } from '../state/session-cache.ts';
import { createStateDirectory } from '../state/state-directory.ts';
import { certificateProblem } from './check-certificate.ts';
import { findAuthority } from './find-authority.ts';

export interface EnrollOptions {
  readonly url: string;
  readonly token: string;
  readonly directory: string;
  /** Enroll anew where the laptop is enrolled already; the old key is overwritten. */
  readonly force: boolean;
  /** Without it `file`. */
  readonly key?: KeyPlace;
  /** Kept in `agent.yaml`. */
  readonly chosen?: ChosenSettings;
  readonly clock: Clock;
  readonly timeoutMs?: number;
}

export interface Enrolled {
  readonly settings: AgentSettings;
  readonly isKeyInTpm: boolean;
}

/** An https origin and nothing more: a path or a user in it would be dropped in silence. */
export function parseControlUrl(text: string): URL | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  const bare = url.pathname === '/' && url.search === '' && url.hash === '' && url.username === '';
  return url.protocol === 'https:' && bare && url.password === '' ? url : undefined;
}

/**
 * Enrolls this laptop: finds the authority that the token pins, proves the control plane against it, and only then
 * shows the token. Files are written after everything was checked, all or none; `agent.yaml` is the last.
 * @throws AgentError
 */
export async function enrollDevice(options: EnrollOptions): Promise<Enrolled> {
  const parts = parseEnrollmentToken(options.token);
  if (parts === undefined) throw new AgentError(2, 'enrollment-token-malformed');
  const origin = parseControlUrl(options.url);
  if (origin === undefined) throw new AgentError(2, 'control-url-invalid', { url: options.url });
  const paths = createStateDirectory(options.directory);
  const holder = findLockHolder(paths.lock);
  if (holder !== undefined) throw new AgentError(1, 'agent-runs', { pid: holder.pid });
  if (!options.force && (existsSync(paths.settings) || existsSync(paths.key))) {
    throw new AgentError(1, 'already-enrolled', { directory: options.directory });
  }

  checkRoom(options.directory);
  const authorityPem = await pinAuthority(origin, parts.rootFingerprint, options.timeoutMs ?? 15_000);
  const { keyPem, csrPem } = await createDeviceKey(options.key ?? 'file');
  const answer = await askForCertificate(origin.origin, authorityPem, options.token, csrPem);
  const problem = certificateProblem(
    {
      chainPem: answer.certificate,
      authorityPem: answer.authority,
      keyPem,
      device: answer.device,
      domain: answer.domain,
    },
    parts.rootFingerprint,
    new Date(options.clock.now()),
  );
  if (problem !== undefined) throw new AgentError(1, 'certificate-unusable', { problem });

  const settings: AgentSettings = {
    version: 1,
    control: origin.origin,
    device: answer.device,
    user: answer.user,
    domain: answer.domain,
    proxyPort: defaultProxyPort,
    ...options.chosen,
  };
  writeStateFiles(options.directory, [
    { path: paths.key, content: keyPem },
    { path: paths.certificate, content: answer.certificate },
    { path: paths.authority, content: authorityPem },
    { path: paths.settings, content: formatSettings(settings) },
  ]);
  // What an earlier enrollment left is of another device.
  removeSessionCache(paths.cache);
  return { settings, isKeyInTpm: isTpmKey(keyPem) };
}

async function pinAuthority(origin: URL, fingerprint: string, timeoutMs: number): Promise<string> {
  let found;
  try {
    found = await findAuthority(controlAddress(origin), fingerprint, timeoutMs);
  } catch (error) {
    throw explainControlError(connectionFailure(error), origin.origin);
  }
  if (found.ok) return found.authorityPem;
  const seen = found.seen.at(-1) ?? '-';
  throw new AgentError(1, 'authority-differs', { url: origin.origin, expected: fingerprint, seen });
}

async function askForCertificate(
  url: string,
  authorityPem: string,
  token: string,
  csrPem: string,
): ReturnType<typeof callEnroll> {
  try {
    return await callEnroll(url, authorityPem, token, csrPem);
  } catch (error) {
    if (error instanceof ControlForeign && !error.isProven)
      throw new AgentError(1, 'control-untrusted', { url, reason: error.message }, error);
    throw explainControlError(error, url);
  }
}
