import packageFile from '../../../package.json' with { type: 'json' };
import { checkFormat, DataDirectoryError } from '../../control/store/open-data-directory.ts';
import type { Check, Finding } from '../finding.ts';
import { ok } from '../finding.ts';

/** Whether program, running server, data directory and Node fit together. */
export const versionsCheck: Check = {
  name: 'versions',
  limitMs: 1000,
  async run({ server, directory }) {
    const found: Finding[] = [];
    const { version } = packageFile;
    if (server !== undefined && server.version !== version)
      found.push({
        level: 'warning',
        what: `the server runs version ${server.version}, and ${version} is installed`,
        how: 'restart it, so that what is installed is what runs',
      });
    const needed = Number(/\d+/.exec(packageFile.engines.node)?.[0]);
    if (Number(process.versions.node.split('.')[0]) < needed)
      found.push({
        level: 'error',
        what: `this is Node ${process.versions.node}, and postern needs ${needed} or later`,
        how: 'run `npm ci` in its folder: it brings the right one along',
      });
    try {
      checkFormat(directory);
    } catch (error) {
      if (!(error instanceof DataDirectoryError)) throw error;
      found.push({ level: 'error', what: error.message });
    }
    return found.length > 0 ? found : ok(`postern ${version}, Node ${process.versions.node}`);
  },
};
