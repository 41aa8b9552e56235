import type { FastifyBaseLogger } from 'fastify';

/** Counts what devices ask that were reported lost: somebody has one in hand, and the SOC should look at where. */
export interface LostDeviceWatch {
  seen(facts: { readonly device: string; readonly source: string }, log: FastifyBaseLogger): void;
  /** Since this process started. */
  readonly attempts: number;
}

export function createLostDeviceWatch(): LostDeviceWatch {
  let attempts = 0;
  return {
    seen(facts, log) {
      attempts += 1;
      log.warn(facts, 'lost device asked the control plane');
    },
    get attempts() {
      return attempts;
    },
  };
}
