import { Type } from 'typebox';
import { Value } from 'typebox/value';

/** Problem details (RFC 9457) as some other party sent them: shown to people, compared by code, never trusted further. */
export interface PeerProblem {
  readonly status: number;
  /** A code of ours, or `unknown` for an answer that is no problem document. */
  readonly code: string;
  readonly title: string;
  readonly help?: string;
  readonly flowId?: string;
  /** What of it may be known, such as which application failed. */
  readonly detail?: string;
  /** Of the application that was asked for, where the agent knows it. */
  readonly host?: string;
}

const Text = Type.String({ maxLength: 1000 });
const ProblemDocument = Type.Object({
  code: Type.String({ pattern: '^[a-z0-9]+(-[a-z0-9]+)*$', maxLength: 64 }),
  title: Text,
  help: Type.Optional(Text),
  detail: Type.Optional(Text),
  flow_id: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9_-]+$', maxLength: 64 })),
});

/** Control characters could redraw a terminal. */
const printable = (text: string): string => text.replaceAll(/\p{Cc}/gu, ' ');

export function parseProblem(status: number, value: unknown): PeerProblem {
  if (!Value.Check(ProblemDocument, value)) return { status, code: 'unknown', title: `HTTP ${status}` };
  return {
    status,
    code: value.code,
    title: printable(value.title),
    ...(value.help === undefined ? {} : { help: printable(value.help) }),
    ...(value.detail === undefined ? {} : { detail: printable(value.detail) }),
    ...(value.flow_id === undefined ? {} : { flowId: value.flow_id }),
  };
}

export function parseProblemText(status: number, text: string): PeerProblem {
  try {
    return parseProblem(status, JSON.parse(text));
  } catch {
    return parseProblem(status, undefined);
  }
}
