import { formatPath } from '../domain/check-shape.ts';
import type { Path } from '../domain/check-shape.ts';
import type { ResourceProblem } from '../domain/resource-findings.ts';
import { checkResourceShape } from '../domain/resource-shape.ts';
import type { Resource } from '../domain/resources.ts';
import { readInputs } from './resource-files/read-inputs.ts';
import { parseYamlDocuments } from './resource-files/yaml-documents.ts';
import type { LocatedValue } from './resource-files/yaml-documents.ts';

/** A place in a file that someone has to look at. */
export interface FileProblem {
  readonly file: string;
  /** From 1; absent where it is about the file as a whole. */
  readonly line?: number;
  readonly key: string;
  readonly message: string;
}

export interface LocatedResource {
  readonly resource: Resource;
  readonly file: string;
  readonly line: number;
}

export interface LoadedResources {
  readonly resources: readonly LocatedResource[];
  /** In the order of the files. Where there are any, nothing is to be applied. */
  readonly problems: readonly FileProblem[];
  /** Where a problem stands that was found in a resource later, such as by the control plane. */
  readonly place: (problem: ResourceProblem) => FileProblem | undefined;
}

/** `FILE:LINE: KEY: message`, as editors and terminals know how to jump to. */
export function formatFileProblem({ file, line, key, message }: FileProblem): string {
  return [line === undefined ? file : `${file}:${line}`, ...(key === '' ? [] : [key]), message].join(': ');
}

/**
 * Reads resources from files, directories and `-` (standard input), and checks the shape of each. All problems are
 * reported together; nothing throws for what a file may hold. No resources at all is a problem too: with `--prune` it
 * would delete everything.
 */
export async function loadResources(
  paths: readonly string[],
  stdin: AsyncIterable<Uint8Array> = process.stdin,
): Promise<LoadedResources> {
  const resources: (LocatedResource & { readonly located: LocatedValue })[] = [];
  const problems: FileProblem[] = [];
  for (const input of await readInputs(paths, stdin)) {
    const { file } = input;
    if (input.problem !== undefined) {
      problems.push({ file, key: '', message: input.problem });
      continue;
    }
    const parsed = parseYamlDocuments(input.text);
    const found: FileProblem[] = parsed.problems.map((problem) => ({ file, ...problem }));
    for (const located of parsed.values) {
      const check = checkResourceShape(located.value);
      if (check.problems === undefined)
        resources.push({ resource: check.resource, file, line: located.lineOf([]), located });
      else
        for (const { path, message } of check.problems)
          found.push({ file, line: located.lineOf(path), key: formatPath(path), message });
    }
    if (parsed.values.length === 0 && found.length === 0)
      found.push({ file, key: '', message: 'holds no resources' });
    problems.push(...found.sort((a, b) => (a.line ?? 0) - (b.line ?? 0)));
  }
  problems.push(...findTwins(resources));
  return {
    resources: resources.map(({ resource, file, line }) => ({ resource, file, line })),
    problems,
    place(problem) {
      const place = resources.find(
        ({ resource }) => resource.kind === problem.kind && resource.name === problem.name,
      );
      if (place === undefined) return undefined;
      const { file, located } = place;
      const path = parsePath(problem.key);
      const line = problem.line === undefined ? located.lineOf(path) : located.lineWithin(path, problem.line);
      return { file, line, key: problem.key, message: problem.message };
    },
  };
}

/** Two resources of one name, wherever they stand: which of them was meant is not for us to guess. */
function findTwins(
  resources: readonly (LocatedResource & { readonly located: LocatedValue })[],
): FileProblem[] {
  const first = new Map<string, LocatedResource>();
  const problems: FileProblem[] = [];
  for (const { resource, file, line, located } of resources) {
    const { kind, name } = resource;
    const twin = first.get(`${kind}/${name}`);
    if (twin === undefined) first.set(`${kind}/${name}`, { resource, file, line });
    else
      problems.push({
        file,
        line: located.lineOf(['name']),
        key: 'name',
        message: `${kind} ${name} is defined twice, first at ${twin.file}:${twin.line}`,
      });
  }
  return problems;
}

/** `upstreams[0]` as the steps that lead there. */
const parsePath = (key: string): Path =>
  [...key.matchAll(/\[([0-9]+)\]|([^.[\]]+)/g)].map(([, index, name]) =>
    index === undefined ? (name ?? '') : Number(index),
  );
