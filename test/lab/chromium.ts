import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { spawnWithUs } from './spawn-with-us.ts';

const programs = ['/usr/bin/chromium', '/usr/bin/certutil'];
const missing = programs.filter((path) => !existsSync(path));
const lookEveryMs = 50;
/** For a page to show something, on a machine that may be busy. */
const readLimitMs = 60_000;
/** Behind the name of a suite that needs it. */
export const chromiumMissing =
  missing.length === 0 ? undefined : `needs ${missing.join(', ')}: apt-get install chromium libnss3-tools`;

/** A real browser with one tab, driven as a person does: by what is on the page and where its buttons are. */
export interface Chromium {
  open(url: string): Promise<void>;
  /** What a person reads on the page, once it holds this. */
  read(expected: string): Promise<string>;
  /** Presses the mouse in the middle of the element. */
  click(selector: string): Promise<void>;
  /** Of the page that is shown. */
  address(): Promise<string>;
  close(): Promise<void>;
}

interface Reply {
  readonly id?: number;
  readonly result?: { readonly result?: { readonly value?: unknown } };
  readonly error?: { readonly message: string };
}

/** For a browser that shows nothing and asks nobody anything by itself. @param profile its directory. */
export const quietArguments = (profile: string): readonly string[] => [
  '--headless=new',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--disable-background-networking',
  `--user-data-dir=${profile}`,
];

/** Fills the store that Chromium on Linux reads in this home. @returns the store, as its tools name it. */
export async function trustAuthorities(home: string, trust: readonly string[]): Promise<string> {
  const store = join(home, '.pki', 'nssdb');
  await mkdir(store, { recursive: true });
  const certutil = (...args: string[]): void =>
    void execFileSync('/usr/bin/certutil', ['-d', `sql:${store}`, ...args]);
  certutil('-N', '--empty-password');
  for (const [index, pem] of trust.entries()) {
    const file = join(home, `authority-${index}.pem`);
    await writeFile(file, pem);
    certutil('-A', '-n', `authority-${index}`, '-t', 'C,,', '-i', file);
  }
  return `sql:${store}`;
}

/** @param trust authorities of the web servers that it meets, as PEM. */
export async function startChromium(trust: readonly string[]): Promise<Chromium> {
  const home = await mkdtemp(join(tmpdir(), 'postern-chromium-'));
  await trustAuthorities(home, trust);
  const browser = spawnWithUs(
    '/usr/bin/chromium',
    [...quietArguments(join(home, 'profile')), '--remote-debugging-port=0', 'about:blank'],
    { env: { HOME: home, PATH: '/usr/bin:/bin' }, stdio: ['ignore', 'ignore', 'pipe'], detached: true },
  );
  const stop = async (): Promise<void> => {
    const exited = once(browser, 'exit');
    // With its children, which it does not take along.
    if (browser.pid !== undefined) process.kill(-browser.pid, 'SIGKILL');
    await exited;
    await rm(home, { recursive: true, force: true, maxRetries: 10 });
  };
  let origin = '';
  for await (const line of createInterface({ input: browser.stderr })) {
    origin = /^DevTools listening on ws:\/\/([^/]+)/.exec(line)?.[1] ?? '';
    if (origin !== '') break;
  }
  browser.stderr.resume();
  const targets = (await (await fetch(`http://${origin}/json/list`)).json()) as {
    readonly type: string;
    readonly webSocketDebuggerUrl: string;
  }[];
  const tab = targets.find(({ type }) => type === 'page');
  if (tab === undefined) throw new Error('Chromium has no tab');
  const socket = new WebSocket(tab.webSocketDebuggerUrl);
  await once(socket, 'open');
  const waiting = new Map<number, (reply: Reply) => void>();
  socket.addEventListener('message', ({ data }: { data: unknown }) => {
    const reply = JSON.parse(String(data)) as Reply;
    if (reply.id !== undefined) waiting.get(reply.id)?.(reply);
  });
  let last = 0;
  const call = async (method: string, params: object = {}): Promise<Reply> => {
    const id = (last += 1);
    const reply = new Promise<Reply>((resolve) => waiting.set(id, resolve));
    socket.send(JSON.stringify({ id, method, params }));
    const { error, ...answer } = await reply;
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return answer;
  };
  /** What an expression is on the page; undefined while one page takes the place of another. */
  const see = async <Value>(expression: string): Promise<Value | undefined> => {
    try {
      const { result } = await call('Runtime.evaluate', { expression, returnByValue: true });
      return result?.result?.value as Value | undefined;
    } catch {
      return undefined;
    }
  };

  return {
    async open(url) {
      await call('Page.navigate', { url });
    },
    async read(expected) {
      const deadline = performance.now() + readLimitMs;
      for (;;) {
        const text = (await see<string>('document.body?.innerText')) ?? '';
        if (text.includes(expected)) return text;
        if (performance.now() > deadline)
          throw new Error(`${await see<string>('location.href')} does not show ${expected}, but ${text}`);
        await wait(lookEveryMs);
      }
    },
    async click(selector) {
      const place = await see<{ x: number; y: number }>(
        `(() => { const e = document.querySelector(${JSON.stringify(selector)}); if (e === null) return undefined;` +
          ' e.scrollIntoView(); const { x, y, width, height } = e.getBoundingClientRect();' +
          ' return { x: x + width / 2, y: y + height / 2 }; })()',
      );
      if (place === undefined) throw new Error(`nothing on the page is ${selector}`);
      for (const type of ['mousePressed', 'mouseReleased'])
        await call('Input.dispatchMouseEvent', { type, ...place, button: 'left', clickCount: 1 });
    },
    address: async () => (await see<string>('location.href')) ?? '',
    async close() {
      socket.close();
      await stop();
    },
  };
}
