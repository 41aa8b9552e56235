import type { Detection } from './detection.ts';
import { disguisedTunnels } from './rules/disguised-tunnels.ts';
import { farSignIns } from './rules/far-sign-ins.ts';
import { firstUse } from './rules/first-use.ts';
import { newFingerprint } from './rules/new-fingerprint.ts';
import { postureFlaps } from './rules/posture-flaps.ts';
import { refusalBurst } from './rules/refusal-burst.ts';
import { unusualVolume } from './rules/unusual-volume.ts';

export const allDetections: readonly Detection[] = [
  refusalBurst,
  firstUse,
  farSignIns,
  unusualVolume,
  newFingerprint,
  postureFlaps,
  disguisedTunnels,
];
