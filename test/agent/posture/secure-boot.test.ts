import { describe, expect, it } from 'vitest';
import { readIntegrity, readSecureBootState, secureBoot } from '../../../agent/posture/checks/secure-boot.ts';
import { parseRegistry } from '../../../agent/posture/powershell.ts';
import { answering, recorded, useSystem } from './lab.ts';

const system = useSystem();

describe('on Linux', () => {
  const name = (variable: string): string =>
    `/sys/firmware/efi/efivars/${variable}-8be4df61-93ca-11d2-aa0d-00e098032b8c`;
  const flag = (value: number): Buffer => Buffer.from([6, 0, 0, 0, value]);

  it.each([
    ['enforced', { SecureBoot: flag(1), SetupMode: flag(0) }, true],
    ['switched off', { SecureBoot: flag(0), SetupMode: flag(0) }, false],
    ['in setup mode', { SecureBoot: flag(1), SetupMode: flag(1) }, false],
    ['of an odd length', { SecureBoot: Buffer.from([1]) }, 'unknown'],
  ])('is %s by the firmware', async (_, variables, expected) => {
    for (const [variable, content] of Object.entries(variables)) system.lay({ [name(variable)]: content });
    expect((await system.find(secureBoot)).value).toBe(expected);
  });

  it('is false without UEFI and unknown where a container hides the firmware', async () => {
    expect((await system.find(secureBoot)).value).toBe('unknown');
    system.lay({ '/sys/firmware/acpi/pm_profile': '2' });
    expect((await system.find(secureBoot)).value).toBe(false);
  });
});

describe('on macOS', () => {
  const status = (state: string): string => `System Integrity Protection status: ${state}.\n`;

  it.each([
    [status('enabled'), true],
    [status('disabled'), false],
    [recorded('csrutil-custom.txt'), false],
    ['', 'unknown'],
  ])('reads %j', (output, expected) => {
    expect(readIntegrity('System Integrity Protection', output).value).toBe(expected);
  });

  it.each([
    ['enabled', true],
    ['disabled', false],
  ])('wants the sealed system volume too: %s', async (seal, expected) => {
    const run = answering({
      '/usr/bin/csrutil status': status('enabled'),
      '/usr/bin/csrutil authenticated-root status': `Authenticated Root status: ${seal}\n`,
    });
    expect((await system.find(secureBoot, { platform: 'darwin', run })).value).toBe(expected);
  });
});

describe('on Windows', () => {
  it.each([
    [recorded('reg-secure-boot.txt'), true],
    [recorded('reg-secure-boot.txt').replace('0x1', '0x0'), false],
    ['', 'unknown'],
  ])('reads the state that the registry keeps', (output, expected) => {
    expect(readSecureBootState(parseRegistry(output)).value).toBe(expected);
  });
});
