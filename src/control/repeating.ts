/** Does something now and again and again, each `everyMs` milliseconds. @returns what ends it */
export function startRepeating(work: () => void, everyMs: number): () => void {
  work();
  const timer = setInterval(work, everyMs);
  return () => clearInterval(timer);
}

/**
 * Does long work each `everyMs` milliseconds, once at a time: what removes records has signed what they were when it began.
 * @returns what ends it, when what is being done is done
 */
export function startHousekeeping(
  work: () => Promise<void>,
  { everyMs, onFailure }: { readonly everyMs: number; readonly onFailure: (error: unknown) => void },
): () => Promise<void> {
  let working: Promise<void> | undefined;
  const timer = setInterval(() => {
    working ??= work()
      .catch(onFailure)
      .finally(() => {
        working = undefined;
      });
  }, everyMs);
  return async () => {
    clearInterval(timer);
    await working;
  };
}
