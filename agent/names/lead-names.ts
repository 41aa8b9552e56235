import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hostsFile, withBlock, withoutBlock } from './hosts-file.ts';
import { leadByResolverFiles, resolverDirectory, undoResolverFiles } from './macos.ts';
import type { ResolverFile } from './macos.ts';
import type { NamesRequest } from './names-request.ts';
import { leadByResolved, resolvedProgram, undoResolved } from './resolved.ts';
import type { Step } from './step.ts';
import { leadByPolicyTable, undoPolicyTable } from './windows.ts';

/**
 * What has to be done so that these names, and no others that were led before, are asked of the agent; with no names,
 * that everything is as it was without it. Each call begins with what an earlier one left behind, however that ended.
 */
export function planNames(platform: NodeJS.Platform, request: NamesRequest): readonly Step[] {
  const isUndoing = request.hosts.length === 0;
  if (platform === 'win32') return isUndoing ? undoPolicyTable : leadByPolicyTable(request);
  if (platform === 'darwin') {
    const found = resolverFiles();
    return isUndoing ? undoResolverFiles(found) : leadByResolverFiles(request, found);
  }
  const hasResolved = existsSync('/run/systemd/resolve') && existsSync(resolvedProgram);
  if (!hasResolved) return [...undoResolved, ...planHosts((text) => withBlock(text, request))];
  return [...planHosts(withoutBlock), ...(isUndoing ? undoResolved : leadByResolved(request))];
}

/** Nothing where nothing would change, so that no other program sees a new file. */
function planHosts(change: (text: string) => string): readonly Step[] {
  const text = existsSync(hostsFile) ? readFileSync(hostsFile, 'utf8') : '';
  const changed = change(text);
  return changed === text ? [] : [{ kind: 'write', path: hostsFile, content: changed }];
}

const resolverFiles = (): readonly ResolverFile[] =>
  existsSync(resolverDirectory)
    ? readdirSync(resolverDirectory, { withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map(({ name }) => join(resolverDirectory, name))
        .map((path) => ({ path, content: readFileSync(path, 'utf8') }))
    : [];
