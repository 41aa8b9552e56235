import { existsSync } from 'node:fs';
import { readLastBackup } from '../../backup/last-backup.ts';
import type { Check } from '../finding.ts';
import { ok } from '../finding.ts';

const daySeconds = 86_400;
const oldDays = 2;

/** When the last backup was made, by the note that `postern backup` leaves in the data directory. */
export const backupCheck: Check = {
  name: 'backup',
  limitMs: 1000,
  async run({ directory, now, configFile }) {
    const how = `postern backup FILE --config ${configFile}, every night`;
    const last = readLastBackup(directory);
    if (last === undefined)
      return [
        { level: 'warning', what: 'no backup was ever made here: with this disk, all laptops are lost', how },
      ];
    const days = Math.floor((now / 1000 - last.at) / daySeconds);
    if (days >= oldDays) return [{ level: 'warning', what: `the last backup is ${days} days old`, how }];
    const where = existsSync(last.file) ? `, at ${last.file}` : '';
    return ok(`the last is of ${new Date(last.at * 1000).toISOString()}${where}`);
  },
};
