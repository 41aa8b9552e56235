import type { AppEntry } from './app-hosts.ts';
import type { ProxyContext } from './proxy-context.ts';

/**
 * The application of a host, after a second look at the control plane where it is not known yet: an application that
 * was published a moment ago is found at the first try.
 */
export async function findApp(context: ProxyContext, host: string): Promise<AppEntry | undefined> {
  const { config } = context.carrier;
  const found = config.apps().find(host);
  if (found !== undefined) return found;
  await config.lookAgain();
  return config.apps().find(host);
}
