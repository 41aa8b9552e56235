import { parseArgs } from 'node:util';
import { loadSettings } from '../../../src/control/settings-file.ts';
import { dataPathOf } from '../../../src/control/store/open-data-directory.ts';
import { ownPrograms } from '../../../src/supervisor/commands.ts';
import { superviseServer } from '../../../src/supervisor/supervise-server.ts';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** `postern serve` with a worker that records nothing, to be measured beside one that does. Takes the same options. */
const { values } = parseArgs({
  options: { config: { type: 'string', default: '' }, workers: { type: 'string', default: '1' } },
  args: process.argv.slice(2).filter((argument) => argument !== 'serve'),
});
const settings = loadSettings(values.config);
const data = dataPathOf(values.config, settings.data);
const silent = (): void => undefined;
const { code } = await superviseServer({
  configFile: values.config,
  settings,
  flowDirectory: join(data, 'flows'),
  accessDirectory: join(data, 'access'),
  sinkDirectory: join(data, 'sinks'),
  accessSinkDirectory: join(data, 'access-sinks'),
  archiveDirectory: join(data, 'archive'),
  sinks: [],
  role: 'all',
  workers: Number(values.workers),
  log: { info: silent, warn: silent, error: silent },
  programs: { ...ownPrograms, worker: fileURLToPath(new URL('./unrecorded-worker.ts', import.meta.url)) },
  onReady: ({ gatewayPort, controlPort }) =>
    console.log(`ready gateway=https://127.0.0.1:${gatewayPort} control=https://127.0.0.1:${controlPort}`),
});
process.exitCode = code;
