import { randomUUIDv7 } from 'node:crypto';
import type { FlowId } from '../domain/ids.ts';

/** A flow's own name: UUIDv7 (RFC 9562), so that sorting by it sorts by time. */
export const v7 = (): FlowId => randomUUIDv7() as FlowId;
