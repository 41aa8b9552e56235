import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import type { CheckContext, Finding, PostureCheck } from '../../../agent/posture/posture-check.ts';
import { createSystemFiles } from '../../../agent/posture/system-files.ts';

/** A system laid out in a directory of its own, as the kernel and its programs would show it. */
export interface LaidOutSystem {
  readonly root: string;
  /** A value that begins with `->` is a link to a path of the same system. */
  lay(files: Readonly<Record<string, string | Buffer>>): void;
  remove(path: string): void;
  readonly context: (more?: Partial<CheckContext>) => CheckContext;
  /** What a check finds in it. */
  find(check: PostureCheck, more?: Partial<CheckContext>): Promise<Finding>;
}

/** Made anew for each test of a file. */
export function useSystem(): LaidOutSystem {
  let root = '';
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'postern-posture-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));
  const context = (more: Partial<CheckContext> = {}): CheckContext => ({
    files: createSystemFiles(root, process.geteuid?.()),
    platform: 'linux',
    uid: 1000,
    homeDirectory: '/home/alice',
    privileged: false,
    now: new Date('2026-11-26T08:00:00Z'),
    run: (path, args) => Promise.reject(new Error(`nothing may be run: ${path} ${args.join(' ')}`)),
    packetFilterVersion: () => 0,
    ...more,
  });
  return {
    get root() {
      return root;
    },
    lay(files) {
      for (const [path, content] of Object.entries(files)) {
        mkdirSync(dirname(join(root, path)), { recursive: true });
        if (typeof content === 'string' && content.startsWith('->'))
          symlinkSync(join(root, content.slice(2)), join(root, path));
        else writeFileSync(join(root, path), content);
      }
    },
    remove: (path) => rmSync(join(root, path), { recursive: true }),
    context,
    async find(check, more) {
      const found = context(more);
      const platform = check.platforms[found.platform];
      if (platform === undefined) throw new TypeError(`no check for ${found.platform}`);
      return platform.check(found);
    },
  };
}

/** An output in the folder `recorded`. */
export const recorded = (name: string): string =>
  readFileSync(new URL(`recorded/${name}`, import.meta.url), 'utf8');

/** Programs that answer with what they are given by path and arguments; any other fails. */
export function answering(answers: Readonly<Record<string, string>>): CheckContext['run'] {
  return (path, args) => {
    const answer = answers[[path, ...args].join(' ')] ?? answers[path];
    return answer === undefined
      ? Promise.reject(new Error(`not expected: ${path} ${args.join(' ')}`))
      : Promise.resolve(answer);
  };
}
