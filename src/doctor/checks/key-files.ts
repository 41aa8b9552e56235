import { existsSync, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { dataDirectory } from '../../contract/data-directory.ts';
import type { Check, Finding } from '../finding.ts';
import { ok } from '../finding.ts';

/** Whether keys and ledger are for their owner's eyes alone, and all of one owner; whether the root key is still here. */
export const keyFilesCheck: Check = {
  name: 'key-files',
  limitMs: 5000,
  async run({ directory }) {
    const keys = readdirSync(join(directory, 'keys'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.key'))
      .map((name) => join('keys', name));
    const ledgers = [dataDirectory.ledger, dataDirectory.replica].filter((name) =>
      existsSync(join(directory, name)),
    );
    const { uid } = lstatSync(join(directory, dataDirectory.format));
    const found: Finding[] = [];
    for (const path of [...keys, ...ledgers]) {
      const status = lstatSync(join(directory, path));
      if ((status.mode & 0o077) !== 0)
        found.push({
          level: 'error',
          what: `others may read ${path}`,
          how: `chmod 600 ${join(directory, path)}; if others could log in here, take it for known to them`,
        });
      if (status.uid !== uid)
        found.push({
          level: 'error',
          what: `${path} belongs to user ${status.uid}, and the data directory's files to ${uid}`,
          how: `chown ${uid} ${join(directory, path)}`,
        });
    }
    if (existsSync(join(directory, dataDirectory.rootKey)))
      found.push({
        level: 'hint',
        what: 'the root key is still on this machine; no running server needs it',
        how: `move ${join(directory, dataDirectory.rootKey)} to offline media`,
      });
    return found.length > 0 ? found : ok(`${keys.length} keys, for their owner alone`);
  },
};
