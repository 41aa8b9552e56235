import type { DeviceId } from '../../domain/ids.ts';

/** What all bodies that a worker holds may have together, and what of it one device may have. */
export interface HeldBytes {
  /** False, and nothing taken, where it would be too much. */
  take(owner: DeviceId, bytes: number): boolean;
  giveBack(owner: DeviceId, bytes: number): void;
}

/** One laptop that holds back what it sends must not keep all others from sending. */
const devices = 4;

export function createHeldBytes(limit: number): HeldBytes {
  const byOwner = new Map<DeviceId, number>();
  let held = 0;
  return {
    take(owner, bytes) {
      const own = (byOwner.get(owner) ?? 0) + bytes;
      if (held + bytes > limit || own > limit / devices) return false;
      held += bytes;
      byOwner.set(owner, own);
      return true;
    },
    giveBack(owner, bytes) {
      held -= bytes;
      const own = (byOwner.get(owner) ?? 0) - bytes;
      if (own > 0) byOwner.set(owner, own);
      else byOwner.delete(owner);
    },
  };
}
