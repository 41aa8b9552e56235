import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync, chownSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { assert, array, property, string } from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { withBlock, withoutBlock } from '../../agent/names/hosts-file.ts';
import { leadByResolverFiles, undoResolverFiles } from '../../agent/names/macos.ts';
import { isNamesRequest } from '../../agent/names/names-request.ts';
import type { NamesRequest } from '../../agent/names/names-request.ts';
import { readRequest } from '../../agent/names/read-request.ts';
import { leadByResolved, undoResolved } from '../../agent/names/resolved.ts';
import type { Step } from '../../agent/names/step.ts';
import { leadByPolicyTable, undoPolicyTable } from '../../agent/names/windows.ts';
import { isAboveOwn } from '../../agent/intercept/publish-names.ts';

const [grants, ledger] = ['grants.apps.example.org', 'ledger.apps.example.org'];
const request: NamesRequest = {
  version: 1,
  resolver: '127.64.0.1:53',
  hosts: [
    { host: grants, address: '127.70.1.2' },
    { host: ledger, address: null },
  ],
};
const commands = (steps: readonly Step[]): string[] =>
  steps.map((step) =>
    step.kind === 'run' ? [step.program, ...step.args].join(' ') : `${step.kind} ${step.path}`,
  );

describe('the request of the agent', () => {
  it.each<[string, boolean, object]>([
    ['as the agent writes it', true, {}],
    ['with a resolver that is another machine', false, { resolver: '10.0.0.53:53' }],
    ['with a resolver at no port', false, { resolver: '127.64.0.1:65536' }],
    ['with a host that leads to another machine', false, { hosts: [{ host: grants, address: '10.0.0.1' }] }],
    ['with a host that leads to 127.0.0.1', false, { hosts: [{ host: grants, address: '127.0.0.1' }] }],
    ['with a whole top-level domain', false, { hosts: [{ host: 'org', address: null }] }],
    ['with everything there is', false, { hosts: [{ host: '.', address: null }] }],
    ['with a host that ends a string', false, { hosts: [{ host: "a'; calc; '.org", address: null }] }],
    ['with a host that is a path', false, { hosts: [{ host: '../etc/passwd.org', address: null }] }],
    ['with a host that begins a line', false, { hosts: [{ host: 'a.org\nb.org', address: null }] }],
    ['with an unknown key', false, { run: '/bin/sh' }],
    ['of another version', false, { version: 2 }],
  ])('%s is one: %s', (_, expected, changes) => {
    expect(isNamesRequest({ ...request, ...changes })).toBe(expected);
  });

  it('leads no host that stands above what the agent itself has to find', () => {
    const own = ['gateway.example.org', 'control.example.org', '192.0.2.1'];
    expect(
      ['example.org', 'gateway.example.org', 'org', grants, 'le.org'].map((host) => isAboveOwn(host, own)),
    ).toEqual([true, true, true, false, false]);
  });
});

describe('what the helper does', () => {
  it('gives systemd-resolved route-only domains on a link of our own, and takes the link away', () => {
    expect(commands(leadByResolved(request))).toEqual([
      '/usr/sbin/ip link add postern0 type dummy',
      '/usr/sbin/ip address replace 127.64.0.1/32 dev postern0 scope global',
      '/usr/sbin/ip link set postern0 up',
      '/usr/bin/resolvectl default-route postern0 false',
      '/usr/bin/resolvectl dnssec postern0 no',
      '/usr/bin/resolvectl dnsovertls postern0 no',
      '/usr/bin/resolvectl llmnr postern0 no',
      '/usr/bin/resolvectl mdns postern0 no',
      '/usr/bin/resolvectl dns postern0 127.64.0.1',
      `/usr/bin/resolvectl domain postern0 ~${grants} ~${ledger}`,
      '/usr/bin/resolvectl flush-caches',
    ]);
    expect(commands(leadByResolved({ ...request, resolver: '127.64.0.1:5353' }))).toContain(
      '/usr/bin/resolvectl dns postern0 127.64.0.1:5353',
    );
    expect(commands(undoResolved)).toEqual(['/usr/sbin/ip link delete postern0']);
  });

  it('writes resolver files on macOS with addresses on lo0, leaves those of others, and takes its own away', () => {
    const theirs = { path: `/etc/resolver/${ledger}`, content: 'nameserver 10.0.0.53\n' };
    const steps = leadByResolverFiles(request, [theirs]);
    expect(commands(steps)).toEqual([
      '/sbin/ifconfig lo0 alias 127.64.0.1/32',
      '/sbin/ifconfig lo0 alias 127.70.1.2/32',
      `write /etc/resolver/${grants}`,
      '/usr/bin/dscacheutil -flushcache',
      '/usr/bin/killall -HUP mDNSResponder',
    ]);
    const written = steps.find((step) => step.kind === 'write');
    expect(written?.content).toBe('# postern-agent 127.70.1.2\nnameserver 127.64.0.1\nport 53\n');
    const left = { path: written?.path ?? '', content: written?.content ?? '' };
    expect(commands(undoResolverFiles([theirs, left]))).toEqual([
      `remove /etc/resolver/${grants}`,
      '/sbin/ifconfig lo0 -alias 127.70.1.2',
      '/sbin/ifconfig lo0 -alias 127.64.0.1',
      '/usr/bin/dscacheutil -flushcache',
      '/usr/bin/killall -HUP mDNSResponder',
    ]);
    expect(undoResolverFiles([theirs])).toEqual([]);
  });

  it('fills the policy table of Windows with a rule for each exact name, and empties it of its own', () => {
    const powershell =
      "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe -NoProfile -NonInteractive -Command $ErrorActionPreference = 'Stop'; ";
    const remove =
      "Get-DnsClientNrptRule | Where-Object Comment -eq 'postern-agent' | Remove-DnsClientNrptRule -Force";
    expect(commands(leadByPolicyTable(request))).toEqual([
      `${powershell}${remove}`,
      `${powershell}Add-DnsClientNrptRule -Namespace '${grants}' -NameServers '127.64.0.1' -Comment 'postern-agent'; Add-DnsClientNrptRule -Namespace '${ledger}' -NameServers '127.64.0.1' -Comment 'postern-agent'`,
      `${powershell}Clear-DnsClientCache`,
    ]);
    expect(commands(undoPolicyTable)).toEqual([`${powershell}${remove}; Clear-DnsClientCache`]);
    expect(() => leadByPolicyTable({ ...request, resolver: '127.64.0.1:5353' })).toThrow('port 53');
    const many = Array.from({ length: 4096 }, (_, index) => ({
      host: `${'h'.repeat(50)}${index}.example.org`,
      address: null,
    }));
    for (const command of commands(leadByPolicyTable({ ...request, hosts: many })))
      expect(command.length).toBeLessThan(32_767);
  });

  it('puts a block at the end of /etc/hosts, and leaves what others wrote as it was', () => {
    const text = '127.0.0.1 localhost\n# by hand\n10.0.0.1 other\n';
    const lines = withBlock(text, request).split('\n');
    expect(lines.slice(0, 3).join('\n')).toBe(text.trimEnd());
    expect(lines.slice(4)).toEqual([`127.70.1.2 ${grants}`, '# postern-agent: end', '']);
    assert(
      property(array(string({ unit: 'binary-ascii' })), (parts) => {
        const found = `${parts.join('\n')}\n`;
        const once = withBlock(found, request);
        expect([
          withoutBlock(once),
          withBlock(once, request),
          withBlock(found, { ...request, hosts: [] }),
        ]).toEqual([found, once, found]);
      }),
    );
    // Somebody took our last line away: what is below is theirs all the same.
    const torn = withBlock(text, request).replace('# postern-agent: end\n', '10.0.0.2 theirs\n');
    expect(withoutBlock(torn)).toBe(`${text}10.0.0.2 theirs\n`);
  });
});

const isRoot = process.getuid?.() === 0;
const places: string[] = [];
afterEach(() => {
  for (const place of places.splice(0)) rmSync(place, { recursive: true, force: true });
});

describe.skipIf(!isRoot)(`the helper as root${isRoot ? '' : ' [skipped: needs root: sudo npm test]'}`, () => {
  /** Below root's own directory, as /var/lib is. */
  const makePlace = (owner = 0): string => {
    const place = mkdtempSync('/root/postern-names-');
    places.push(place);
    const path = join(place, 'state', 'names.json');
    mkdirSync(dirname(path), { mode: 0o700 });
    writeFileSync(path, JSON.stringify(request), { mode: 0o600 });
    chownSync(path, owner, owner);
    chownSync(dirname(path), owner, owner);
    return path;
  };

  it('reads what the owner of the state directory wrote, and nothing that another could have', () => {
    expect(readRequest(makePlace(12_345))).toEqual(request);
    const attacks: Record<string, (path: string) => void> = {
      'a file of another user': (path) => chownSync(path, 54_321, 54_321),
      'a file that others can write': (path) => chmodSync(path, 0o666),
      'a directory that others can write': (path) => chmodSync(dirname(path), 0o777),
      'a directory in one that is not root’s alone': (path) => chmodSync(dirname(dirname(path)), 0o777),
      'a link to a file': (path) => {
        rmSync(path);
        symlinkSync('/etc/shadow', path);
      },
      'no request': (path) => writeFileSync(path, '{"version":1,"hosts":[]}'),
      'half a request': (path) => writeFileSync(path, '{"version":1,'),
    };
    for (const [name, spoil] of Object.entries(attacks)) {
      const path = makePlace(12_345);
      spoil(path);
      expect(() => readRequest(path), name).toThrow();
    }
    const gone = makePlace();
    rmSync(gone);
    expect(readRequest(gone)).toBeUndefined();
  });

  /*
   * The real helper on a real /etc/hosts, in a mount namespace of its own. netbird#742 and firezone#9866: names stayed
   * broken after a crash. Nobody tidies up after the first `apply` here, as after kill -9; the next start has fewer names,
   * and the one after none.
   */
  it('leads names here, and undoes it with the next start and with the end, also after a crash', async () => {
    const main = fileURLToPath(new URL('../../agent/main.ts', import.meta.url));
    const place = mkdtempSync(join(tmpdir(), 'postern-hosts-'));
    places.push(place);
    writeFileSync(join(place, 'hosts'), '127.0.0.1 localhost\n10.9.9.9 old.example.org');
    const one = JSON.stringify({ ...request, hosts: [{ host: ledger, address: '127.70.1.3' }] });
    const script = [
      'set -e',
      'mount -t tmpfs none /run',
      'mount -t tmpfs -o mode=755 none /var/lib',
      'mkdir -m 700 /var/lib/postern-agent',
      `mount --bind ${place}/hosts /etc/hosts`,
      `helper() { ${process.execPath} ${main} names "$@"; }`,
      // A name that is not there would be asked of the network.
      'look() { grep -c . /etc/hosts; getent -s files ahostsv4 "$1" | head -n 1 || echo none; }',
      `echo '${JSON.stringify(request)}' > /var/lib/postern-agent/names.json`,
      `helper apply && look ${grants}`,
      `echo '${one}' > /var/lib/postern-agent/names.json`,
      `helper apply && look ${ledger} && look ${grants}`,
      "echo '{}' > /var/lib/postern-agent/names.json",
      `helper apply || echo refused && look ${ledger}`,
      'rm /var/lib/postern-agent/names.json',
      `helper apply && look ${ledger} && look old.example.org`,
      'helper undo && cat /etc/hosts',
      'helper apply /etc/passwd || echo "usage $?"',
    ].join('\n');
    const { stdout } = await promisify(execFile)('/usr/bin/unshare', ['--mount', '/bin/bash', '-c', script], {
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
    });
    expect(stdout.split('\n').map((line) => line.replaceAll(/ +/g, ' '))).toEqual([
      '5',
      `127.70.1.2 STREAM ${grants}`,
      '5',
      `127.70.1.3 STREAM ${ledger}`,
      '5',
      'refused',
      '5',
      `127.70.1.3 STREAM ${ledger}`,
      '2',
      '2',
      '10.9.9.9 STREAM old.example.org',
      '127.0.0.1 localhost',
      '10.9.9.9 old.example.org',
      'usage 2',
      '',
    ]);
  });
});
