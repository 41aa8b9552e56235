import type { Check } from '../finding.ts';
import { ok } from '../finding.ts';

/** Whether a server runs by these settings, and passes flows. */
export const serverCheck: Check = {
  name: 'server',
  limitMs: 1000,
  async run({ server, configFile }) {
    if (server === undefined)
      return [
        {
          level: 'hint',
          what: 'no server runs here by these settings',
          how: `start it: postern serve --config ${configFile}`,
        },
      ];
    const how = 'its log says why; the other lines here may say more';
    if (!server.ready)
      return [
        {
          level: 'error',
          what: `runs, and passes no flows: it waits for ${server.waitingFor.join(', ')}`,
          how,
        },
      ];
    if (server.troubles.length === 0) return ok('runs, and passes flows');
    return [
      { level: 'warning', what: `runs and passes flows, in trouble: ${server.troubles.join(', ')}`, how },
    ];
  },
};
