/** Says on standard error how much of something is done, so that who waits knows whether it goes on: every so many seconds, and at the end. */
export function createProgress(what: string, all: number, everyMs = 10_000): (done: number) => void {
  const began = performance.now();
  let told = began;
  return (done) => {
    const now = performance.now();
    if (now - told < everyMs && done < all) return;
    told = now;
    process.stderr.write(`${what}: ${done} of ${all} after ${Math.round((now - began) / 1000)} s\n`);
  };
}
