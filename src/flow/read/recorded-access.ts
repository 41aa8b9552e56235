import { probePath } from '../../contract/app-probe.ts';
import { readChecks } from '../../domain/posture.ts';
import type { Posture } from '../../domain/posture.ts';

/** What a record tells of one access that was decided on, as far as a policy may ask for it. */
export interface RecordedAccess {
  readonly flow: string;
  /** Epoch milliseconds: when it began. */
  readonly startedAt: number;
  readonly effect: 'allow' | 'deny' | 'challenge';
  readonly reasons: readonly string[];
  readonly app: string;
  readonly method: string;
  /** Of a tunnel, empty; undefined for an upgraded connection that an earlier version recorded. */
  readonly path: string | undefined;
  readonly sourceAddress: string;
  /** Names of the texts that were longer than what a record keeps. */
  readonly truncated: readonly string[];
  readonly session: RecordedSession;
}

/** What a session token said. Equal `id`s are the same token. */
export interface RecordedSession {
  readonly id: string;
  readonly user: string | undefined;
  readonly device: string;
  /** Undefined where the record does not say: they were too many, or it is of an earlier version. */
  readonly claims: Readonly<Record<string, readonly string[]>> | undefined;
  readonly posture: Posture | undefined;
  /** `null` where there was none; undefined where the record does not say. */
  readonly signIn: { readonly at: number; readonly mfa: boolean } | null | undefined;
  /** Epoch seconds. */
  readonly issuedAt: number;
}

const httpActivity = 4002;
const networkActivity = 4001;
const networkOpen = 1;
const networkFail = 4;
const networkRefuse = 5;

interface PosternMembers {
  readonly flow: string;
  readonly user: string | null;
  readonly device: string | null;
  readonly app: string | null;
  readonly decision: RecordedAccess['effect'] | null;
  readonly posture: (Posture['checks'] & { readonly measuredAt: number }) | null;
  readonly claims?: RecordedSession['claims'] | null;
  readonly signIn?: RecordedSession['signIn'];
  readonly reasons: readonly string[];
  readonly method?: string | null;
  readonly path?: string | null;
  readonly truncated: readonly string[];
}

interface Stored {
  readonly class_uid: number;
  readonly activity_id: number;
  readonly activity_name: string;
  readonly start_time: number;
  readonly actor?: { readonly session?: { readonly uid: string; readonly created_time: number } };
  readonly device?: {
    readonly os?: { name: string; version: string; kernel_release?: string };
    readonly agent_list?: { version: string }[];
  };
  readonly src_endpoint?: { readonly ip?: string };
  readonly http_request?: { readonly http_method?: string; readonly url: { readonly path?: string } };
  readonly unmapped?: { readonly postern?: PosternMembers };
}

/**
 * The access in the line of a record; `none` for a record of something else: a sign-in, the end of a tunnel, a probe, what was
 * refused before anything was decided. `malformed` for a line that is no record.
 */
export function readAccess(line: string): RecordedAccess | 'none' | 'malformed' {
  // Most of what is not asked for is told apart without being parsed.
  if (!line.includes('"decision":"', line.lastIndexOf('"unmapped":')))
    return isWhole(line) ? 'none' : 'malformed';
  let record: Stored;
  try {
    record = JSON.parse(line) as Stored;
  } catch {
    return 'malformed';
  }
  const postern = record.unmapped?.postern;
  if (postern === undefined) return 'malformed';
  const method = methodOf(record, postern);
  const session = record.actor?.session;
  const { decision, app, device } = postern;
  if (method === undefined || session === undefined || decision === null || app === null || device === null)
    return 'none';
  const path = record.http_request?.url.path ?? postern.path ?? (method === 'CONNECT' ? '' : undefined);
  // Decided as what it stands for, an application's first page or a tunnel, which its own path is not.
  if (path?.startsWith(probePath) === true) return 'none';
  return {
    flow: postern.flow,
    startedAt: record.start_time,
    effect: decision,
    reasons: postern.reasons,
    app,
    method,
    path,
    sourceAddress: record.src_endpoint?.ip ?? '0.0.0.0',
    truncated: postern.truncated,
    session: {
      id: session.uid,
      user: postern.user ?? undefined,
      device,
      claims: postern.claims ?? undefined,
      posture: postureOf(record, postern),
      signIn: postern.signIn,
      issuedAt: session.created_time / 1000,
    },
  };
}

const isWhole = (line: string): boolean => line.startsWith('{"class_uid":') && line.endsWith('}}}');

/** Undefined for a record that is not of an access: one access is counted once. */
function methodOf(record: Stored, { method }: PosternMembers): string | undefined {
  const { class_uid: classUid, activity_id: activity } = record;
  if (classUid === httpActivity)
    return activity === 0
      ? undefined
      : (record.http_request?.http_method ?? record.activity_name.toUpperCase());
  if (classUid !== networkActivity) return undefined;
  const isOne = activity === networkOpen || activity === networkFail || activity === networkRefuse;
  return isOne ? (method ?? undefined) : undefined;
}

function postureOf({ device }: Stored, { posture }: PosternMembers): Posture | undefined {
  if (posture === null) return undefined;
  const { measuredAt, ...checks } = posture;
  return {
    measuredAt,
    os: device?.os?.name ?? '',
    osVersion: device?.os?.version ?? '',
    agentVersion: device?.agent_list?.[0]?.version ?? '',
    kernelVersion: device?.os?.kernel_release ?? '',
    checks: readChecks(checks),
  };
}
