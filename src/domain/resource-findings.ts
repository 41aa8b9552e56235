import type { Resource, ResourceKind } from './resources.ts';

/** Something about one resource, said in words that its author can act on. */
export interface ResourceProblem {
  readonly kind: ResourceKind;
  readonly name: string;
  /** Where in the resource, such as `upstreams[0]`; empty for the whole. */
  readonly key: string;
  readonly message: string;
  /** Line within the text of a policy, from 1. */
  readonly line?: number;
}

export interface ResourceCheck {
  /** Any of these keeps the whole set from being applied. */
  readonly problems: readonly ResourceProblem[];
  /** What is allowed and may surprise. */
  readonly warnings: readonly ResourceProblem[];
}

type Note = (resource: Resource, key: string, message: string) => void;

/** Collects what checks find about one resource after another. */
export interface Findings {
  readonly problem: Note;
  readonly warning: Note;
  readonly check: ResourceCheck;
}

export function createFindings(): Findings {
  const problems: ResourceProblem[] = [];
  const warnings: ResourceProblem[] = [];
  const noteIn =
    (list: ResourceProblem[]): Note =>
    ({ kind, name }, key, message) =>
      void list.push({ kind, name, key, message });
  return { problem: noteIn(problems), warning: noteIn(warnings), check: { problems, warnings } };
}
