import { checkShape } from './check-shape.ts';
import type { ShapeProblem } from './check-shape.ts';
import { closestWord } from './closest-word.ts';
import { resourceKinds, resourceSchemas } from './resources.ts';
import type { Resource, ResourceKind } from './resources.ts';

/** What someone wrote, as a resource or as all that is wrong with its shape. */
export type ShapeCheck =
  | { readonly resource: Resource; readonly problems?: undefined }
  | { readonly problems: readonly ShapeProblem[] };

/** Checks an unknown value against the schema of its kind. What no schema can say is for `checkResources`. */
export function checkResourceShape(value: unknown): ShapeCheck {
  if (value === null || typeof value !== 'object' || Array.isArray(value))
    return {
      problems: [{ path: [], message: 'must be a resource, with `kind`, `name` and the keys of its kind' }],
    };
  const kind: unknown = Object.hasOwn(value, 'kind') ? (value as { kind: unknown }).kind : undefined;
  if (kind === undefined)
    return { problems: [{ path: [], message: `\`kind\` is missing (${resourceKinds.join(', ')})` }] };
  if (!isKind(kind)) return { problems: [{ path: ['kind'], message: unknownKind(kind) }] };
  const problems = checkShape(resourceSchemas[kind], value);
  return problems.length > 0 ? { problems } : { resource: value as Resource };
}

const isKind = (kind: unknown): kind is ResourceKind =>
  typeof kind === 'string' && resourceKinds.includes(kind as ResourceKind);

function unknownKind(kind: unknown): string {
  const word = typeof kind === 'string' ? kind.slice(0, 80) : JSON.stringify(kind);
  const meant = typeof kind === 'string' ? closestWord(kind, resourceKinds) : undefined;
  return `unknown kind \`${word}\`; ${meant === undefined ? `known are ${resourceKinds.join(', ')}` : `did you mean \`${meant}\`?`}`;
}
