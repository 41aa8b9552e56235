import { pino } from 'pino';
import { createDeviceApi } from '../../../agent/control/device-api.ts';
import type { DeviceApi } from '../../../agent/control/device-api.ts';
import { systemClock } from '../../../agent/clock.ts';
import { statedPosture } from '../../../agent/posture/unsafe-posture.ts';
import { createCarrier } from '../../../agent/session/carrier.ts';
import { loadCredentials } from '../../../agent/state/credentials.ts';
import { loadSettings } from '../../../agent/state/settings-file.ts';
import { statePaths } from '../../../agent/state/state-directory.ts';

/**
 * Many agents in one process, as far as a gateway sees them: each holds sessions as the real one does, all with the
 * certificate of one laptop and a token of it. `node fleet.ts STATE POSTURE COUNT ADDRESS`; prints `connected N` when
 * all of them are, and when none is.
 */
const [state = '', posture = '', counted = '0', address = ''] = process.argv.slice(2);
const count = Number(counted);
const paths = statePaths(state);
const settings = loadSettings(paths.settings);
if (settings === undefined) throw new Error('no laptop is enrolled there');
const credentials = loadCredentials(paths);
const provider = statedPosture(posture, systemClock);
const api = createDeviceApi(settings.control);
const token = await api.fetchToken(credentials, (await provider.measure()).report());
const config = await api.fetchConfig(credentials);
const given: DeviceApi = {
  ...api,
  fetchToken: () => Promise.resolve(token),
  fetchConfig: () =>
    Promise.resolve({
      domain: config.domain,
      gateway: { name: config.gateway.name, addresses: [address] },
      apps: config.apps,
      certificateNotAfter: config.certificateNotAfter,
    }),
};

let connected = 0;
for (let index = 0; index < count; index += 1) {
  let isConnected = false;
  const carrier = createCarrier({
    api: given,
    device: settings.device,
    domain: settings.domain,
    credentials,
    cached: undefined,
    posture: provider,
    signIn: () => undefined,
    signInEndsAt: () => undefined,
    onSignInNeeded: () => undefined,
    clock: systemClock,
    random: Math.random,
    log: pino({ level: 'silent' }),
    save: () => undefined,
    saveCertificate: () => undefined,
    onState: (view) => {
      if (isConnected === (view.state === 'connected')) return;
      isConnected = !isConnected;
      connected += isConnected ? 1 : -1;
      if (connected === count || connected === 0) console.log(`connected ${connected}`);
    },
  });
  void carrier.run(new AbortController().signal);
}
