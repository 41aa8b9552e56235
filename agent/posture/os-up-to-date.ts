import { unknown } from './posture-check.ts';
import type { Finding, PostureCheck } from './posture-check.ts';
import { readOsRelease } from './os-release.ts';

/**
 * Tells for certain when a system is not up to date: its support has ended, or installed updates wait for a restart.
 * That it is up to date only its package server knows, so `true` is never said here.
 */
export const osUpToDate: PostureCheck = {
  criterion: 'osUpToDate',
  async check({ files, platform, now }): Promise<Finding> {
    if (platform !== 'linux') return unknown(`no check for ${platform} yet`);
    const supportEnd = Date.parse((await readOsRelease(files)).get('SUPPORT_END') ?? '');
    if (supportEnd < now.getTime()) return { value: false, reason: 'the support of this release has ended' };
    for (const mark of ['/run/reboot-required', '/var/run/reboot-required']) {
      if ((await files.read(mark)) !== undefined)
        return { value: false, reason: 'updates wait for a restart' };
    }
    return unknown('whether updates are missing cannot be told without the package server');
  },
};
