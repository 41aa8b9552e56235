import { unknown } from './posture-check.ts';
import type { Finding, PostureCheck } from './posture-check.ts';
import type { SystemFiles } from './system-files.ts';

/** UEFI's own namespace of global variables (UEFI specification, section 3.3). */
const globalVariables = '8be4df61-93ca-11d2-aa0d-00e098032b8c';

/** An EFI variable of one byte: four bytes of attributes come first. */
async function readFlag(files: SystemFiles, name: string): Promise<number | undefined> {
  const content = await files.read(`/sys/firmware/efi/efivars/${name}-${globalVariables}`);
  return content?.length === 5 ? content[4] : undefined;
}

/** Whether the firmware enforced signatures at this start. In setup mode anyone may still change its keys. */
export const secureBoot: PostureCheck = {
  criterion: 'secureBoot',
  async check({ files, platform }): Promise<Finding> {
    if (platform !== 'linux') return unknown(`no check for ${platform} yet`);
    const firmware = (await files.list('/sys/firmware')) ?? [];
    // Containers hide all of it, which says nothing about the machine.
    if (firmware.length === 0) return unknown('/sys/firmware is hidden');
    if (!firmware.includes('efi')) return { value: false, reason: 'not started by UEFI' };
    const enforced = await readFlag(files, 'SecureBoot');
    if (enforced === undefined) return unknown('the firmware does not say');
    if (enforced !== 1) return { value: false, reason: 'switched off in the firmware' };
    const setup = await readFlag(files, 'SetupMode');
    if (setup === 1) return { value: false, reason: 'the firmware is in setup mode' };
    return { value: true, reason: 'enforced by the firmware' };
  },
};
