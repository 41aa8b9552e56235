import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { isAbsolute } from 'node:path';

const settingsFile = '/etc/postern-agent/dns-helper.json';
const defaultRequest = '/var/lib/postern-agent/names.json';

/** Where the agent's request lies: as root says in `/etc/postern-agent/dns-helper.json`, `{"request": "/…"}`. */
export function requestPath(): string {
  let handle: number;
  try {
    handle = openSync(settingsFile, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return defaultRequest;
    throw error;
  }
  try {
    const { mode, uid } = fstatSync(handle);
    if (uid !== 0 || (mode & 0o022) !== 0) throw new Error(`${settingsFile} is not root's alone`);
    const value: unknown = JSON.parse(readFileSync(handle, 'utf8'));
    const { request, ...unknownKeys } = value as { readonly request?: unknown };
    if (typeof request !== 'string' || !isAbsolute(request) || Object.keys(unknownKeys).length > 0)
      throw new Error(`${settingsFile} has to be {"request": "/absolute/path"}`);
    return request;
  } finally {
    closeSync(handle);
  }
}
