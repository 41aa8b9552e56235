import { randomFillSync } from 'node:crypto';

const pool = Buffer.allocUnsafe(4096);
let poolOffset = pool.length;
let lastTime = -1;
let timeText = '';

/**
 * UUID version 7 (RFC 9562, section 5.7) of an epoch in milliseconds: ordered by time, unique by 74 random bits. Random
 * bytes come from a pool, since asking the operating system costs more than all the rest of a record's header.
 */
export function createUuidV7(nowMs: number): string {
  if (nowMs !== lastTime) {
    lastTime = nowMs;
    const time = Math.trunc(nowMs).toString(16).padStart(12, '0');
    timeText = `${time.slice(0, 8)}-${time.slice(8, 12)}-7`;
  }
  if (poolOffset + 10 > pool.length) {
    randomFillSync(pool);
    poolOffset = 0;
  }
  const random = pool.toString('hex', poolOffset, poolOffset + 10);
  poolOffset += 10;
  const variant = '89ab'.charAt(Number.parseInt(random.charAt(3), 16) & 3);
  return `${timeText}${random.slice(0, 3)}-${variant}${random.slice(4, 7)}-${random.slice(8, 20)}`;
}
