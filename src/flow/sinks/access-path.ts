import { join, parse } from 'node:path';

/**
 * Where a file sink for both kinds of records has the access log, when that is delivered by a process of its own: beside the
 * other one, `records-access.jsonl`. Two processes never write one file.
 */
export function accessPathOf(path: string): string {
  const { dir, name, ext } = parse(path);
  return join(dir, `${name}-access${ext}`);
}
