import type { DeviceHistory, DeviceView } from '../../contract/control-api.ts';
import { formatTime, printable, tableLines } from '../terminal/output.ts';

const roleText = ({ role, network }: DeviceView): string =>
  network === undefined ? role : `${role} of ${network}`;

/** Devices, one a line. */
export const deviceLines = (devices: readonly DeviceView[]): string[] =>
  tableLines(
    ['ID', 'USER', 'ROLE', 'STATE', 'SINCE', 'CERTIFICATE UNTIL', 'REASON'],
    devices.map((device) => [
      device.id,
      device.user,
      roleText(device),
      device.state,
      formatTime(device.changedAt),
      formatTime(device.certificates.at(-1)?.notAfter ?? 0),
      device.reason === undefined ? '' : `${device.reason} (${device.changedBy ?? ''})`,
    ]),
  );

const awaited = {
  posture: 'its posture comes',
  'sign-in': 'its user signs in and its posture comes',
} as const;

/** One device: what is known of it, its certificates, and its life. */
export const deviceStory = (device: DeviceView, { changes }: DeviceHistory): string[] => [
  `Device    ${printable(device.id)}`,
  `User      ${printable(device.user)}`,
  `Role      ${printable(roleText(device))}`,
  `State     ${device.state} since ${formatTime(device.changedAt)}${device.awaits === undefined ? '' : `, until ${awaited[device.awaits]}`}`,
  `Enrolled  ${formatTime(device.enrolledAt)}${device.keyMadeElsewhere === true ? ', with a key that came in a bundle' : ''}`,
  '',
  ...tableLines(
    ['CERTIFICATE', 'UNTIL', 'THUMBPRINT'],
    device.certificates.map(({ serial, notAfter, thumbprint }) => [serial, formatTime(notAfter), thumbprint]),
  ),
  '',
  ...tableLines(
    ['WHEN', 'STATE', 'BY', 'WHY'],
    changes.map(({ at, state, by, reason }) => [formatTime(at), state, by, reason]),
  ),
];
