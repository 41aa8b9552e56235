const kept = 300;
const maxLineLength = 2000;

/** The last lines of the log, in memory alone: what the help desk asks for first. */
export interface RecentLog {
  write(line: string): void;
  lines(): readonly string[];
}

export function createRecentLog(): RecentLog {
  let all: string[] = [];
  return {
    write(line) {
      all.push(line.trimEnd().slice(0, maxLineLength));
      if (all.length > 2 * kept) all = all.slice(-kept);
    },
    lines: () => all.slice(-kept),
  };
}
