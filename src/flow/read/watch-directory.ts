import { watch } from 'node:fs';

/** `isAboutNames`: files may have come or gone; otherwise only their bytes. */
export type DirectoryNotice = (isAboutNames: boolean) => void;

/** For what the file system forgot to tell. */
export interface LookAgain {
  readonly ms: number;
  /** Where it tells nothing: without inotify (limits), on odd file systems. */
  readonly unwatchedMs: number;
}

/** Calls when something may have changed in a directory, from now on. */
export function watchDirectory(
  directory: string,
  notice: DirectoryNotice,
  lookAgain: LookAgain,
): { close(): void } {
  const watcher = startWatching(directory, notice);
  const timer = setInterval(() => notice(true), watcher === undefined ? lookAgain.unwatchedMs : lookAgain.ms);
  return {
    close() {
      clearInterval(timer);
      watcher?.close();
    },
  };
}

function startWatching(directory: string, notice: DirectoryNotice): { close(): void } | undefined {
  try {
    return watch(directory, { persistent: false }, (event) => notice(event === 'rename')).on(
      'error',
      () => undefined,
    );
  } catch {
    return undefined;
  }
}
