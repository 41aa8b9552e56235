import type { Progress } from '../../backup/take-backup.ts';

const everyMs = 100;

/** Shows on a terminal how far something is; elsewhere, nothing. `end` clears the line. */
export function showProgress(): { readonly progress: Progress; readonly end: () => void } {
  if (!process.stderr.isTTY) return { progress: () => undefined, end: () => undefined };
  let shownAt = 0;
  return {
    progress(what, done, of) {
      const now = Date.now();
      if (now - shownAt < everyMs && done < of) return;
      shownAt = now;
      process.stderr.write(`\r\u001b[K${what} ${Math.floor((100 * done) / Math.max(of, 1))} %`);
    },
    end: () => void process.stderr.write('\r\u001b[K'),
  };
}
