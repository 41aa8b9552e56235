import { allOf, no, unknown, yes } from '../posture-check.ts';
import type { CheckContext, Finding, PostureCheck } from '../posture-check.ts';
import { readRegistry } from '../powershell.ts';
import type { SystemFiles } from '../system-files.ts';

/** UEFI's own namespace of global variables (UEFI specification, section 3.3). */
const globalVariables = '8be4df61-93ca-11d2-aa0d-00e098032b8c';

/** An EFI variable of one byte: four bytes of attributes come first. */
async function readFlag(files: SystemFiles, name: string): Promise<number | undefined> {
  const content = await files.read(`/sys/firmware/efi/efivars/${name}-${globalVariables}`);
  return content?.length === 5 ? content[4] : undefined;
}

/** Whether the firmware enforced signatures at this start. In setup mode anyone may still change its keys. */
async function checkLinux({ files }: CheckContext): Promise<Finding> {
  const firmware = (await files.list('/sys/firmware')) ?? [];
  // Containers hide all of it, which says nothing about the machine.
  if (firmware.length === 0) return unknown('/sys/firmware is hidden');
  if (!firmware.includes('efi')) return no('not started by UEFI');
  const enforced = await readFlag(files, 'SecureBoot');
  if (enforced === undefined) return unknown('the firmware does not say');
  if (enforced !== 1) return no('switched off in the firmware');
  const setup = await readFlag(files, 'SetupMode');
  if (setup === 1) return no('the firmware is in setup mode');
  return yes('enforced by the firmware');
}

/** What `csrutil status` and `csrutil authenticated-root status` say; a custom configuration is not the whole of it. */
export function readIntegrity(what: string, output: string): Finding {
  const [, state] = /status: *([^.\n]+)/.exec(output) ?? [];
  if (state === 'enabled') return yes('');
  if (state === undefined) return unknown(`csrutil says something else of ${what}`);
  return no(`${what}: ${state.trim().slice(0, 60)}`);
}

async function checkDarwin({ run }: CheckContext): Promise<Finding> {
  const csrutil = '/usr/bin/csrutil';
  return allOf(
    [
      readIntegrity('System Integrity Protection', await run(csrutil, ['status'])),
      readIntegrity('sealed system volume', await run(csrutil, ['authenticated-root', 'status'])),
    ],
    'System Integrity Protection and the sealed system volume are on',
  );
}

/** What Windows noted at its start; Confirm-SecureBootUEFI says the same, to administrators only. */
export function readSecureBootState(values: ReadonlyMap<string, number | string>): Finding {
  const enabled = values.get('uefisecurebootenabled');
  if (enabled === 1) return yes('enforced by the firmware');
  return enabled === 0 ? no('switched off in the firmware') : unknown('Windows does not say');
}

export const secureBoot: PostureCheck = {
  criterion: 'secureBoot',
  platforms: {
    linux: {
      how: 'the EFI variables `SecureBoot` and `SetupMode`',
      check: checkLinux,
      keepSeconds: 3600,
    },
    darwin: {
      how: '`csrutil status` and `csrutil authenticated-root status`: System Integrity Protection and the sealed system volume',
      check: checkDarwin,
      keepSeconds: 3600,
    },
    win32: {
      how: 'the state of Secure Boot in the registry, which `Confirm-SecureBootUEFI` says to administrators',
      check: async (context) =>
        readSecureBootState(
          await readRegistry(context, 'HKLM\\SYSTEM\\CurrentControlSet\\Control\\SecureBoot\\State'),
        ),
      keepSeconds: 3600,
    },
  },
};
