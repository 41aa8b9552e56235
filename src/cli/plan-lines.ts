import type { ApplyResponse, PlannedChange } from '../contract/control-api.ts';
import { formatTime, printable } from './terminal/output.ts';
import { paint } from './terminal/paint.ts';

const signs = { create: '+', update: '~', delete: '-', unchanged: ' ' } as const;
const colors = { create: 'green', update: 'yellow', delete: 'red', unchanged: 'gray' } as const;
const counted = { create: 'created', update: 'updated', delete: 'deleted', unchanged: 'unchanged' } as const;

/** One planned change, as every command shows it. */
export const changeLine = ({ action, kind, name }: PlannedChange): string =>
  paint(colors[action], printable(`${signs[action]} ${action.padEnd(9)} ${kind.toLowerCase()} ${name}`));

/** Said wherever a change was not made but proposed. */
export const waitingLine = ({ id, expiresAt }: NonNullable<ApplyResponse['waiting']>): string =>
  `Waits for a second administrator: ${printable(id)} (until ${formatTime(expiresAt)}). Nothing was changed yet.`;

/** A plan and what became of it, for people. */
export function planLines({ applied, changes, version, waiting }: ApplyResponse): string[] {
  const counts = (['create', 'update', 'delete', 'unchanged'] as const)
    .map((action) => `${changes.filter((change) => change.action === action).length} ${counted[action]}`)
    .join(', ');
  return [
    ...changes.map(changeLine),
    waiting === undefined
      ? applied
        ? `Applied as version ${version}: ${counts}.`
        : `Plan: ${counts}. Nothing was changed.`
      : waitingLine(waiting),
  ];
}
