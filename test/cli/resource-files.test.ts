import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { formatFileProblem, loadResources } from '../../src/cli/resource-files.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'postern-resources-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

function write(name: string, content: string | Uint8Array): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

/** What was loaded and what was wrong, with the directory's name left out. */
async function load(...paths: string[]): Promise<{ resources: string[]; problems: string[] }> {
  const { resources, problems } = await loadResources(paths, Readable.from([]));
  return {
    resources: resources.map(
      ({ resource, file, line }) =>
        `${resource.kind} ${resource.name} ${file.replace(`${directory}/`, '')}:${line}`,
    ),
    problems: problems.map((problem) => formatFileProblem(problem).replaceAll(`${directory}/`, '')),
  };
}

const network = (name: string): string => `kind: Network\nname: ${name}\nattach: { netns: pn-${name} }\n`;

describe('loading resources', () => {
  it('reads several documents of a file, comments and empty ones apart', async () => {
    const path = write('a.yaml', `# ours\n---\n${network('a')}---\n# nothing\n---\n${network('b')}---\n`);
    expect(await load(path)).toEqual({
      resources: ['Network a a.yaml:3', 'Network b a.yaml:9'],
      problems: [],
    });
  });

  it("reads a directory's own YAML and JSON in the order of their names, and nothing else", async () => {
    write('b.json', JSON.stringify({ kind: 'Network', name: 'b', attach: { direct: true } }));
    write('a.yml', network('a'));
    write('c.yaml', network('c'));
    write('.hidden.yaml', 'no: resource');
    write('README.md', 'no: resource');
    mkdirSync(join(directory, 'below'));
    write('below/d.yaml', 'no: resource');
    expect(await load(directory)).toEqual({
      resources: ['Network a a.yml:1', 'Network b b.json:1', 'Network c c.yaml:1'],
      problems: [],
    });
  });

  it('reads a JSON list as so many documents', async () => {
    const path = write(
      'all.json',
      '[\n {"kind":"Network","name":"a","attach":{"direct":true}},\n {"kind":"Group","name":"g"}\n]',
    );
    expect(await load(path)).toEqual({
      resources: ['Network a all.json:2'],
      problems: ['all.json:3: `members` is missing'],
    });
  });

  it('reads standard input for -, once', async () => {
    const stdin = Readable.from([Buffer.from(network('a').slice(0, 9)), Buffer.from(network('a').slice(9))]);
    const { resources, problems } = await loadResources(['-', '-'], stdin);
    expect(problems).toEqual([]);
    expect(resources).toEqual([
      {
        resource: { kind: 'Network', name: 'a', attach: { netns: 'pn-a' } },
        file: 'standard input',
        line: 1,
      },
    ]);
  });

  it('reads a file once that is named twice', async () => {
    const path = write('a.yaml', network('a'));
    symlinkSync(path, join(directory, 'z.yaml'));
    expect((await load(path, directory, join(directory, 'z.yaml'))).resources).toEqual([
      'Network a a.yaml:1',
    ]);
  });

  it('keeps a text of many lines exactly', async () => {
    const path = write(
      'p.yaml',
      'kind: Policy\nname: p\ncedar: |\n  permit (principal, action,\n    resource);\n',
    );
    const { resources } = await loadResources([path], Readable.from([]));
    expect(resources[0]?.resource).toMatchObject({ cedar: 'permit (principal, action,\n  resource);\n' });
  });
});

describe('what is wrong is said with file, line and key', () => {
  it('all of it together, over documents and files', async () => {
    const a = write(
      'a.yaml',
      'kind: App\nname: grants\nnetwork: finance\nhost: Grants.example.org\nprotocol: htp\nupstreams:\n  - 10.0.0.2\ninspct: [waf]\nhealth:\n  path: healthz\n  every: 5s\n---\nkind: Netwrk\nname: x\n',
    );
    const b = write('b.yaml', `${network('b')}dns:\n  - 10.0.0.53\n  - 53\n`);
    expect(await load(a, b, join(directory, 'c.yaml'))).toEqual({
      resources: [],
      problems: [
        'a.yaml:4: host: "Grants.example.org" does not fit: what people type; lower-case ASCII DNS name',
        'a.yaml:5: protocol: must be one of http, tcp, tls, ssh, rdp, postgres, udp, not text "htp"; did you mean http?',
        'a.yaml:7: upstreams[0]: "10.0.0.2" does not fit: scheme://host:port, no path',
        'a.yaml:8: inspct: unknown key `inspct`; did you mean `inspect`?',
        'a.yaml:10: health.path: "healthz" does not fit: it must match ^/',
        'a.yaml:13: kind: unknown kind `Netwrk`; did you mean `Network`?',
        'b.yaml:6: dns[1]: must be text, not the number 53: put quotes around it',
        'c.yaml: does not exist',
      ],
    });
  });

  it('a resource that is defined twice, with both places', async () => {
    const a = write('a.yaml', `${network('a')}---\n${network('b')}`);
    const b = write('b.yaml', `\n${network('b')}---\nkind: Group\nname: b\nmembers: []\n`);
    expect((await load(a, b)).problems).toEqual([
      'b.yaml:3: name: Network b is defined twice, first at a.yaml:5',
    ]);
  });

  it.each<[string, string, string]>([
    [
      'a key given twice',
      'kind: Group\nname: a\nmembers: []\nname: b\n',
      'a.yaml:4: name: `name` is given twice, first on line 2',
    ],
    [
      'a nested key given twice',
      'kind: Network\nname: a\nattach:\n  netns: a\n  netns: b\n',
      'a.yaml:5: netns: `netns` is given twice, first on line 4',
    ],
    ['a text without an end', 'kind: "Group\nname: a\n', 'a.yaml:3: Missing closing "quote'],
    [
      'a tab for a blank',
      'kind: Network\nattach:\n\tnetns: a\n',
      'a.yaml:3: Tabs are not allowed as indentation',
    ],
    ['an alias of nothing', 'kind: Group\nname: *a\n', 'a.yaml:2: nothing has the anchor `a`'],
    [
      'a tag of another program',
      'kind: Group\nname: !ruby/object a\nmembers: []\n',
      'a.yaml:2: Unresolved tag',
    ],
    ['a merge key', 'kind: Group\nname: a\n<<: { x: [] }\nmembers: []\n', 'a.yaml:3: <<: unknown key `<<`'],
    [
      'YAML 1.1 truth, which is text in 1.2',
      '%YAML 1.1\n---\nkind: Network\nname: a\nattach: { direct: yes }\n',
      'a.yaml:5: attach.direct: must be true, not text "yes"',
    ],
    ['a document that is no resource', '--- hello\n', 'a.yaml:1: must be a resource'],
    [
      'a prototype for a key',
      'kind: Group\nname: a\nmembers: []\n__proto__: {}\n',
      'a.yaml:4: __proto__: unknown key `__proto__`',
    ],
    ['a file without resources', '# nothing\n', 'a.yaml: holds no resources'],
    ['an empty file', '', 'a.yaml: holds no resources'],
  ])('%s', async (_, text, problem) => {
    const { resources, problems } = await load(write('a.yaml', text));
    expect(resources).toEqual([]);
    expect(problems[0]).toContain(problem);
  });

  it('bytes that are no UTF-8, and a directory without resource files', async () => {
    expect((await load(write('a.yaml', Buffer.from([0x6b, 0xff, 0x0a])))).problems).toEqual([
      'a.yaml: is not UTF-8 text',
    ]);
    mkdirSync(join(directory, 'empty'));
    expect((await load(join(directory, 'empty'))).problems).toEqual([
      'empty: holds no *.yaml, *.yml or *.json file',
    ]);
  });

  it('where a later check found it, down to the line of a policy', async () => {
    const path = write(
      'a.yaml',
      `${network('a')}---\nkind: Policy\nname: p\ncedar: |\n  // who\n  permit (principal, action,\n    resource);\n---\nkind: Policy\nname: q\ncedar: "permit (principal, action, resource);"\n`,
    );
    const loaded = await loadResources([path], Readable.from([]));
    const at = (kind: 'Network' | 'Policy', name: string, key: string, line?: number): unknown =>
      loaded.place({ kind, name, key, message: 'm', ...(line === undefined ? {} : { line }) })?.line;
    expect(at('Policy', 'p', 'cedar', 3)).toBe(10);
    expect(at('Policy', 'p', 'cedar')).toBe(7);
    expect(at('Policy', 'q', 'cedar', 1)).toBe(14);
    expect(at('Network', 'a', 'attach.netns')).toBe(3);
    expect(at('Network', 'a', 'dns[2]')).toBe(1);
    expect(at('Network', 'zz', '')).toBeUndefined();
  });
});

describe('a file that is meant to hurt', () => {
  it('of more than 16 MiB is not taken in', async () => {
    const path = write('a.yaml', network('a'));
    truncateSync(path, 16 * 1024 * 1024 + 1);
    expect((await load(path)).problems).toEqual(['a.yaml: is larger than 16 MiB']);
  });

  it('that multiplies itself by aliases is refused at once, and a few aliases are not', async () => {
    const levels = Array.from(
      { length: 12 },
      (_, i) =>
        `l${i}: &l${i} [${Array(10)
          .fill(`*l${i - 1}`)
          .join(', ')}]`,
    );
    const bomb = `kind: Group\nname: a\nl: &l-1 [x]\n${levels.join('\n')}\n`;
    expect((await load(write('a.yaml', bomb))).problems).toEqual([
      expect.stringContaining('Excessive alias count'),
    ]);
    const shared = `kind: Group\nname: a\nmembers: &m [alice]\n---\nkind: Network\nname: &n a\nattach: { netns: *n }\n`;
    expect((await load(write('b.yaml', shared))).problems).toEqual([]);
  });

  it('that contains itself, or is nested without end, is refused', async () => {
    const loop = await load(write('a.yaml', 'kind: Group\nname: a\nmembers: &m [*m]\n'));
    expect(loop.problems).toHaveLength(1);
    const deep = await load(write('b.yaml', '['.repeat(20_000)));
    expect(deep.resources).toEqual([]);
    expect(deep.problems).toContain('b.yaml:1: is nested too deeply');
  });
});
