import { chmod, mkdir, mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { prepareFlowDirectory } from '../../src/supervisor/flow-directory.ts';

const isRoot = process.getuid?.() === 0;
const runAs = { uid: 64_990, gid: 64_991 };
const ownerOf = async (path: string) => {
  const { uid, gid } = await stat(path);
  return { uid, gid };
};

let data: string;
beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), 'postern-data-'));
});
afterEach(() => rm(data, { recursive: true }));

describe('the directory of flow records', () => {
  it('is made for its owner alone', async () => {
    prepareFlowDirectory(join(data, 'flows'), undefined);
    expect((await stat(join(data, 'flows'))).mode & 0o777).toBe(0o700);
  });

  describe.runIf(isRoot)(
    isRoot ? 'for another user' : 'for another user [skipped: needs root: sudo npm test]',
    () => {
      it('becomes theirs with what lies in it, but for what links lead to', async () => {
        const flows = join(data, 'flows');
        await mkdir(flows);
        await chmod(data, 0o711);
        await writeFile(join(flows, 'old'), '');
        await writeFile(join(data, 'secret'), '');
        await symlink(join(data, 'secret'), join(flows, 'link'));
        prepareFlowDirectory(flows, runAs);
        expect(await ownerOf(flows)).toEqual(runAs);
        expect(await ownerOf(join(flows, 'old'))).toEqual(runAs);
        expect(await ownerOf(join(data, 'secret'))).toEqual({ uid: 0, gid: 0 });
      });

      it('once theirs, is not looked through again: what lies there may be a trap', async () => {
        const flows = join(data, 'flows');
        await chmod(data, 0o711);
        prepareFlowDirectory(flows, runAs);
        await writeFile(join(flows, 'of-root'), '');
        prepareFlowDirectory(flows, runAs);
        expect(await ownerOf(join(flows, 'of-root'))).toEqual({ uid: 0, gid: 0 });
      });

      it('is refused where they could not get to it, with the command that lets them', async () => {
        await chmod(data, 0o700);
        expect(() => prepareFlowDirectory(join(data, 'flows'), runAs)).toThrow(
          `${data} cannot be entered by user 64990 (runAs), whose flow records go to ${data}/flows: chmod o+x ${data}`,
        );
      });
    },
  );
});
