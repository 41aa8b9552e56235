/** Lets one wait for what many may tell it. What was told while it did not wait is not forgotten. */
export interface WakeUp {
  notify(): void;
  wait(): Promise<void>;
}

export function createWakeUp(): WakeUp {
  let isNotified = false;
  let wake: (() => void) | undefined;
  return {
    notify() {
      isNotified = true;
      wake?.();
    },
    async wait() {
      if (!isNotified) await new Promise<void>((resolve) => (wake = resolve));
      wake = undefined;
      isNotified = false;
    },
  };
}
