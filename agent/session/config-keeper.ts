import type { AgentConfig } from '../../src/contract/control-api.ts';
import { startStopwatch } from '../clock.ts';
import type { Clock } from '../clock.ts';
import { buildAppHosts } from '../proxy/app-hosts.ts';
import type { AppHosts } from '../proxy/app-hosts.ts';

/** A program that asks for a host that is no application makes us look again, but not more often than this. */
const minimumIntervalSeconds = 5;

/** The configuration that the control plane gave last. */
export interface ConfigKeeper {
  current(): AgentConfig | undefined;
  apps(): AppHosts;
  /** Fetches it anew, once at a time. Throws what the control plane's API throws; what was there stays then. */
  refresh(): Promise<AgentConfig>;
  /** The same for whoever suspects that something is missing: not too often, and a failure is not their affair. */
  lookAgain(): Promise<void>;
  /** Called with the applications there are, and with those of each configuration that comes. */
  follow(listener: (apps: AppHosts) => void): void;
}

export function createConfigKeeper(options: {
  readonly initial: AgentConfig | undefined;
  readonly fetch: () => Promise<AgentConfig>;
  readonly clock: Clock;
  readonly onChange: (config: AgentConfig, before: AgentConfig | undefined) => void;
}): ConfigKeeper {
  let config = options.initial;
  let apps = buildAppHosts(config?.apps ?? []);
  let fetching: Promise<AgentConfig> | undefined;
  const listeners: ((apps: AppHosts) => void)[] = [];
  let sinceFetch: (() => number) | undefined;

  const fetchNow = async (): Promise<AgentConfig> => {
    sinceFetch = startStopwatch(options.clock);
    try {
      const before = config;
      config = await options.fetch();
      apps = buildAppHosts(config.apps);
      options.onChange(config, before);
      for (const listener of listeners) listener(apps);
      return config;
    } finally {
      fetching = undefined;
    }
  };
  const refresh = (): Promise<AgentConfig> => (fetching ??= fetchNow());

  return {
    current: () => config,
    apps: () => apps,
    refresh,
    follow: (listener) => {
      listeners.push(listener);
      listener(apps);
    },
    lookAgain: async () => {
      if (fetching === undefined && (sinceFetch?.() ?? Infinity) < minimumIntervalSeconds) return;
      await refresh().catch(() => undefined);
    },
  };
}
