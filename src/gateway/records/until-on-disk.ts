import type { Refusal } from '../../contract/refusals.ts';
import type { Gateway } from '../gateway.ts';

/** Resolves once all that was recorded is on the disk, or with why it did not come to that. */
export const untilOnDisk = ({ record }: Pick<Gateway, 'record'>): Promise<Refusal | undefined> =>
  new Promise((resolve) => record.afterSynced(() => resolve(undefined), resolve));
