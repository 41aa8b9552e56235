import { execFile, execFileSync } from 'node:child_process';
import { copyFile, lstat, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';

const root = fileURLToPath(new URL('../..', import.meta.url));
const sources = join(root, 'deploy/agent/linux');
const run = promisify(execFile);

const architectures: Readonly<Partial<Record<string, string>>> = { x64: 'amd64', arm64: 'arm64' };
/** The agent, and its two parts that run as root. */
const units = [
  'postern-agent.service',
  'postern-agent-firewall.service',
  'postern-agent-names.path',
  'postern-agent-names.service',
];
const maintainer = 'Postern <postern@example.org>';

export interface DebianPackageOptions {
  /** The single file that is installed. */
  readonly program: string;
  /** Licenses of what is in it. */
  readonly notice: string;
  readonly version: string;
  /** Directory that the package goes to. */
  readonly out: string;
  readonly compression: 'xz' | 'none';
}

/**
 * Makes `postern-agent_VERSION_ARCH.deb`, without root. Times in it are those of the last commit, or what
 * SOURCE_DATE_EPOCH says, so that the same sources make the same package.
 * @returns its path.
 */
export async function buildDebianPackage(options: DebianPackageOptions): Promise<string> {
  const architecture = architectures[process.arch];
  if (process.platform !== 'linux' || architecture === undefined)
    throw new Error(`no Debian package is made on ${process.platform} ${process.arch}`);
  const tree = await mkdtemp(join(tmpdir(), 'postern-debian-'));
  try {
    const epoch = process.env['SOURCE_DATE_EPOCH'] ?? lastCommit();
    await layOut(tree, options, new Date(Number(epoch) * 1000));
    await writeControl(tree, options.version, architecture);
    await run('chmod', ['-R', 'u=rwX,go=rX', tree]);
    const file = join(options.out, `postern-agent_${options.version}_${architecture}.deb`);
    await run('dpkg-deb', ['--root-owner-group', `-Z${options.compression}`, '--build', tree, file], {
      env: { ...process.env, SOURCE_DATE_EPOCH: epoch },
    });
    return file;
  } finally {
    await rm(tree, { recursive: true, force: true });
  }
}

const lastCommit = (): string =>
  execFileSync('git', ['log', '-1', '--format=%ct'], { cwd: root, encoding: 'utf8' }).trim();

/** What is installed where. */
async function layOut(tree: string, options: DebianPackageOptions, at: Date): Promise<void> {
  const { version } = options;
  const place = async (path: string, content: string | Buffer): Promise<void> => {
    await mkdir(dirname(join(tree, path)), { recursive: true });
    await writeFile(join(tree, path), content, { mode: 0o644 });
  };
  const source = (name: string): Promise<Buffer> => readFile(join(sources, name));
  await mkdir(join(tree, 'usr/lib/postern'), { recursive: true });
  await copyFile(options.program, join(tree, 'usr/lib/postern/postern-agent'));
  await mkdir(join(tree, 'usr/bin'));
  await symlink('../lib/postern/postern-agent', join(tree, 'usr/bin/postern-agent'));
  for (const unit of units) await place(`usr/lib/systemd/system/${unit}`, await source(unit));
  await place('usr/lib/sysusers.d/postern-agent.conf', await source('sysusers.conf'));
  await place('etc/postern-agent/agent.yaml', await source('agent.yaml'));
  await place('usr/share/man/man1/postern-agent.1.gz', gzip(await source('postern-agent.1')));
  await place('usr/share/lintian/overrides/postern-agent', await source('lintian-overrides'));
  const documents = 'usr/share/doc/postern-agent';
  await place(`${documents}/copyright`, await copyright());
  await place(`${documents}/THIRD-PARTY.txt.gz`, gzip(await readFile(options.notice)));
  const date = at.toUTCString().replace('GMT', '+0000');
  await place(
    `${documents}/changelog.gz`,
    gzip(
      `postern-agent (${version}) stable; urgency=medium\n\n  * As in the sources of ${version}.\n\n -- ${maintainer}  ${date}\n`,
    ),
  );
}

/** Without name and time, which would not be the same twice. */
const gzip = (content: string | Buffer): Buffer => gzipSync(content, { level: 9 });

async function copyright(): Promise<string> {
  const license = await readFile(join(root, 'LICENSE'), 'utf8');
  const isShipped = license.includes('Apache License');
  if (!isShipped) throw new Error('the license is another than the package says');
  return `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: Postern
Comment: What others wrote of it is in THIRD-PARTY.txt.gz beside this file, with their licenses.

Files: *
Copyright: 2026 the authors of Postern
License: Apache-2.0
 On Debian systems, the text of the Apache License 2.0 is in /usr/share/common-licenses/Apache-2.0.
`;
}

async function writeControl(tree: string, version: string, architecture: string): Promise<void> {
  const installedKilobytes = Math.ceil((await sizeOf(tree)) / 1024);
  const directory = join(tree, 'DEBIAN');
  await mkdir(directory);
  const control = `Package: postern-agent
Version: ${version}
Architecture: ${architecture}
Maintainer: ${maintainer}
Section: net
Priority: optional
Installed-Size: ${installedKilobytes}
Depends: libc6 (>= 2.28), libstdc++6 (>= 9), init-system-helpers (>= 1.52), systemd
Recommends: iproute2, nftables
Suggests: openssl, tpm2-openssl (>= 1.2)
Description: laptop side of Postern, a gate to applications
 Proves this device and its user to the gateways of an organization, and carries
 the flows of its programs to the applications that they may reach.
 .
 It runs as a user of its own from the start of the machine, whoever signs in.
`;
  await writeFile(join(directory, 'control'), control);
  await writeFile(join(directory, 'conffiles'), '/etc/postern-agent/agent.yaml\n');
  await writeFile(join(directory, 'md5sums'), await checksums(tree));
  for (const script of ['postinst', 'prerm', 'postrm']) {
    await copyFile(join(sources, script), join(directory, script));
    await run('chmod', ['0755', join(directory, script)]);
  }
}

/** Paths of the plain files in the package. */
async function filesIn(tree: string): Promise<string[]> {
  const entries = await readdir(tree, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(tree.length + 1))
    .filter((path) => !path.startsWith('DEBIAN/'))
    .sort();
}

async function sizeOf(tree: string): Promise<number> {
  const sizes = await Promise.all(
    (await filesIn(tree)).map(async (path) => (await lstat(join(tree, path))).size),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** dpkg --verify looks at them; that they are MD5 is dpkg's. */
async function checksums(tree: string): Promise<string> {
  const files = (await filesIn(tree)).filter((path) => !path.startsWith('etc/'));
  return (await run('md5sum', files, { cwd: tree })).stdout;
}
